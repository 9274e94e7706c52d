-- The cluster's roles, for a superuser. Safe to run again. Passwords are set apart from this, so that none is in a file.
--
-- ig_owner   owns the tables and runs the migrations; no superuser
-- ig_app     the application: sees one tenant at a time, whatever the policies say
-- ig_system  work across tenants, with policies of its own
-- ig_reader  nobody's login; owns the SECURITY DEFINER functions that read through an index
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES ('ig_owner', 'LOGIN'), ('ig_app', 'LOGIN'), ('ig_system', 'LOGIN'), ('ig_reader', 'NOLOGIN')) AS roles (name, login)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I', wanted.name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION INHERIT', wanted.name, wanted.login
        );
    END LOOP;
END
$$;

-- So that a migration may hand a function to ig_reader (ALTER FUNCTION ... OWNER TO); ig_owner gains none of its rights.
GRANT ig_reader TO ig_owner WITH INHERIT FALSE, SET TRUE;

-- So that whoever watches over the platform sees the oldest open transaction, whichever role holds it.
GRANT pg_read_all_stats TO ig_system;

-- A request that waits or idles longer than this hurts everybody else's.
ALTER ROLE ig_app SET lock_timeout = '5s';
ALTER ROLE ig_app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE ig_app SET transaction_timeout = '60s';
