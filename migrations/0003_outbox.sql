-- An outbox: an application inserts what it has to tell in the transaction that makes it true, and
-- the insert becomes an event exactly when that transaction commits. The columns are those of
-- Debezium's outbox event router.
--
-- Run as the owner of the schema's tables. Can be run again without effect.
CREATE TABLE IF NOT EXISTS outbox (
    id            uuid         NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    aggregatetype varchar(255) NOT NULL,
    aggregateid   varchar(255) NOT NULL,
    type          varchar(255) NOT NULL,
    payload       jsonb
);

COMMENT ON TABLE outbox IS
    'What the application has to tell. A row may be deleted in the transaction that inserts it: the insert is an event all the same.';
COMMENT ON COLUMN outbox.id IS 'Names the event, so that a consumer knows one it has seen.';
COMMENT ON COLUMN outbox.aggregatetype IS 'What kind of thing it is about, such as order.';
COMMENT ON COLUMN outbox.aggregateid IS 'Which one; events of one thing keep their order.';
COMMENT ON COLUMN outbox.type IS 'What happened, such as placed.';
COMMENT ON COLUMN outbox.payload IS 'What there is to say about it.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock') THEN
        GRANT SELECT ON outbox TO penstock;
    END IF;
END
$$;
