-- What Penstock needs in a database: a role that may replicate and read, and a publication of the
-- tables to capture. Can be run again without effect. Give the role a password afterwards:
--   ALTER ROLE penstock PASSWORD '...';
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'penstock') THEN
        CREATE ROLE penstock LOGIN REPLICATION;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO penstock;
GRANT SELECT ON customers, products, orders, order_items TO penstock;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'penstock_app') THEN
        CREATE PUBLICATION penstock_app FOR TABLE customers, products, orders, order_items;
    END IF;
END
$$;
