-- The table through which a connector is told what to do, in the form of Debezium's signalling
-- (signal.data.collection). A row is an order; it is read from the stream, so the table must be in
-- the publication.
--
-- Run as the owner of the schema's tables. Can be run again without effect.
CREATE TABLE IF NOT EXISTS debezium_signal (
    id   varchar(42)   NOT NULL PRIMARY KEY,
    type varchar(32)   NOT NULL,
    data varchar(2048)
);

COMMENT ON TABLE debezium_signal IS 'Orders for the connector that captures this database.';
COMMENT ON COLUMN debezium_signal.id IS 'Any text that names the order once, such as a UUID.';
COMMENT ON COLUMN debezium_signal.type IS 'What is to be done, such as execute-snapshot.';
COMMENT ON COLUMN debezium_signal.data IS 'How, as JSON.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock') THEN
        -- An incremental snapshot marks the edges of its windows by rows of its own.
        GRANT SELECT, INSERT ON debezium_signal TO penstock;
    END IF;
END
$$;
