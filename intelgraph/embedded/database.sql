-- Rights in the present database, for a superuser. Safe to run again.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO ig_owner, ig_app, ig_system', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO ig_owner', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO ig_owner;
GRANT USAGE ON SCHEMA public TO ig_app, ig_system;
-- The owner of a function needs CREATE where the function lives at the moment when it is handed over.
GRANT USAGE, CREATE ON SCHEMA public TO ig_reader;

-- What migrations create is usable by the application at once; row-level security decides which rows. TRUNCATE passes by
-- policies and is given to nobody. ig_reader gets nothing: a migration grants it the tables that its functions read.
ALTER DEFAULT PRIVILEGES FOR ROLE ig_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ig_app, ig_system;
ALTER DEFAULT PRIVILEGES FOR ROLE ig_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO ig_app, ig_system;
-- Functions are open to everybody by default, which is too much for SECURITY DEFINER ones.
ALTER DEFAULT PRIVILEGES FOR ROLE ig_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE ig_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO ig_app, ig_system, ig_reader;
