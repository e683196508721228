-- Roles with the least rights, for PostgreSQL. The owner of the schema runs this after the
-- migrations, and again after an upgrade:
--
--     psql -d zhibao -f migrations/roles.sql
--
-- Roles that log in are made members: `grant zhibao_apply, zhibao_forward to hub`. An instance with
-- `--role process` needs zhibao_apply, with `--role forward` zhibao_forward, with `--role intake`
-- zhibao_intake, with `--role serve` zhibao_serve. New manifests, rules and schemas are registered
-- by whoever starts with them first: that is to be zhibao_apply, or the owner.

do $$
declare
    name text;
begin
    foreach name in array
        array['zhibao_apply', 'zhibao_forward', 'zhibao_intake', 'zhibao_serve']
    loop
        begin
            execute format('create role %I nologin', name);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end $$;

revoke all on all tables in schema public
    from zhibao_apply, zhibao_forward, zhibao_intake, zhibao_serve;
grant usage on schema public to zhibao_apply, zhibao_forward, zhibao_intake, zhibao_serve;
grant select on all tables in schema public
    to zhibao_apply, zhibao_forward, zhibao_intake, zhibao_serve;

-- Who reads for the page and the export sees tokens, never the sealed identities.
revoke select on roster from zhibao_forward, zhibao_intake, zhibao_serve;
grant select (platform, worker, person, from_day, event_id) on roster to zhibao_serve;

-- Apply writes the books; what was decided, said or posted is only ever added.
grant insert, update, delete on all tables in schema public to zhibao_apply;
revoke update, delete on entry, posting, levy_line, statement, registration, case_event,
    case_decision, benefit_item, tax_fact, fund_fact, roster, registry_schema, registry_text,
    registry_version, registry_elsewhere, _sqlx_migrations from zhibao_apply;
revoke insert on _sqlx_migrations from zhibao_apply;
grant execute on function segment_months to zhibao_apply;

-- Of what is owed, apply writes what is owed and acknowledged; forward writes how it was delivered.
revoke update, delete on outbox from zhibao_apply;
grant update (acked_at, ack_refused) on outbox to zhibao_apply;
grant update (state, attempts, next_try_at, answer, answered_at) on outbox to zhibao_forward;
grant insert, update on publish_cursor to zhibao_forward;
grant delete on publish_outbox to zhibao_forward;
grant insert on canonical_schema to zhibao_forward;
grant insert, update, delete on instance, leader to zhibao_forward;

-- Who takes messages in writes how far it is: so does forward, with the acknowledgements.
grant insert, update on intake_mark to zhibao_forward, zhibao_intake;
grant insert on intake_given to zhibao_forward, zhibao_intake;
grant insert on csv_header to zhibao_intake;
-- Senders register the schemas that they write with.
grant insert on registry_schema, registry_text, registry_version to zhibao_intake;
grant insert, update on key_lock to zhibao_intake;

-- Of the order book, forward deletes what it has published, and nothing else.
grant delete on segment to zhibao_forward;
alter table segment enable row level security;
drop policy if exists apply_all on segment;
create policy apply_all on segment to zhibao_apply using (true) with check (true);
drop policy if exists read_all on segment;
create policy read_all on segment for select
    to zhibao_forward, zhibao_intake, zhibao_serve using (true);
drop policy if exists forward_published on segment;
create policy forward_published on segment for delete to zhibao_forward
    using (kind = 'unpublished');
