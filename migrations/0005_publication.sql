-- The publication of the schema's tables. Only the owner of a table may publish it, so that the
-- role of 0002 needs neither ownership nor CREATE on the database.
--
-- Run as the owner of the tables (who needs CREATE on the database), or as a superuser. Its name is
-- penstock_app, that of PENSTOCK_SOURCE_URL with the default prefix; another one is set by
--   PGOPTIONS='-c penstock.publication=my_publication' psql ...
-- Running it again adds the tables that were made since.
DO $$
DECLARE
    publication text := coalesce(nullif(current_setting('penstock.publication', true), ''), 'penstock_app');
    missing text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication) THEN
        EXECUTE format('CREATE PUBLICATION %I', publication);
    END IF;
    IF (SELECT puballtables FROM pg_publication WHERE pubname = publication) THEN
        RETURN;
    END IF;
    -- Partitions come with their table; spatial_ref_sys belongs to PostGIS and is never captured.
    FOR missing IN
        SELECT format('%I.%I', n.nspname, c.relname)
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema()
           AND c.relkind IN ('r', 'p')
           AND c.relpersistence = 'p'
           AND NOT c.relispartition
           AND c.relname <> 'spatial_ref_sys'
           AND NOT EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
                            WHERE p.pubname = publication AND r.prrelid = c.oid)
    LOOP
        EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', publication, missing);
    END LOOP;
END
$$;
