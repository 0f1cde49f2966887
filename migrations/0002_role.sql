-- The role that Penstock logs in as, with the least it needs: it may replicate, connect, and read
-- the tables of one schema. It owns nothing and writes nothing.
--
-- Run as a superuser, or as a role that may create roles with REPLICATION. The schema is the first
-- of the search path (public unless changed). Can be run again without effect; running it again
-- also grants what was made meanwhile by an owner that was not known before.
-- Give the role a password afterwards:
--   ALTER ROLE penstock PASSWORD '...';
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock') THEN
        CREATE ROLE penstock LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
END
$$;

DO $$
DECLARE
    owner name;
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO penstock', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO penstock', current_schema());
    -- The rows of a table are read once, for the snapshot; changes come over replication.
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO penstock', current_schema());
    -- Tables that are made later: default privileges belong to the role that makes them, so they
    -- are set for whoever owns tables here, and for whoever runs this.
    FOR owner IN
        SELECT DISTINCT r.rolname
          FROM pg_roles r
         WHERE r.rolname = current_user
            OR r.oid IN (SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                          WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p'))
    LOOP
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO penstock',
                       owner, current_schema());
    END LOOP;
END
$$;
