-- Positions and ownership, batches, order segments, counts, versions. Units everywhere: times are
-- milliseconds since the epoch, days are days since 1970-01-01 (Asia/Shanghai), months are months
-- since year 0, money is fen, rates are li. Texts compare by their bytes, as in the program.

-- The clock that leases go by.
create function now_ms() returns bigint language sql volatile
    return cast(extract(epoch from clock_timestamp()) * 1000 as bigint);

create table version (
    kind text collate "C" not null,
    number bigint not null,
    digest bytea not null,
    body bytea not null,
    activated_at bigint,
    primary key (kind, number)
);

create table topic (
    topic text collate "C" not null primary key,
    connector text collate "C" not null,
    partitions bigint not null
);

create table position (
    topic text collate "C" not null,
    partition bigint not null,
    owner text collate "C",
    epoch bigint not null default 0,
    batch bigint not null default 0,
    lease_until bigint not null default 0,
    next_offset bigint not null default 0,
    received_at bigint not null default 0,
    chain_head bytea not null,
    primary key (topic, partition)
);

-- Instances that want partitions, alive until `alive_until` by this database's clock.
create table instance (
    owner text collate "C" not null primary key,
    alive_until bigint not null
);

-- Work that one instance does for all, and which.
create table leader (
    work text collate "C" not null primary key,
    owner text collate "C" not null,
    lease_until bigint not null
);

-- What became of each message, a letter each, compressed, as long as the log keeps the messages.
create table batch (
    topic text collate "C" not null,
    partition bigint not null,
    batch bigint not null,
    batch_last bigint not null,
    kind text collate "C" not null,
    first_offset bigint not null,
    next_offset bigint not null,
    received_at bigint not null,
    versions text collate "C" not null,
    digest bytea not null,
    outcomes bytea not null,
    primary key (topic, partition, batch)
);
alter table batch alter column outcomes set storage external;

create table outcome_sum (
    connector text collate "C" not null,
    feed text collate "C" not null,
    day bigint not null,
    received bigint not null,
    applied bigint not null,
    duplicate bigint not null,
    held bigint not null,
    ignored bigint not null,
    handoff bigint not null,
    primary key (connector, feed, day)
);

-- By month of the day: a question names its days, and a month that is no longer kept goes by
-- dropping a table instead of deleting its rows. What lies outside the months that
-- `segment_months` has made lies in `segment_other`.
create table segment (
    topic text collate "C" not null,
    partition bigint not null,
    day bigint not null,
    kind text collate "C" not null,
    first_ordinal bigint not null,
    batch bigint not null,
    batch_last bigint not null,
    next_ordinal bigint not null,
    rows bigint not null,
    bytes bytea not null,
    primary key (topic, partition, day, kind, first_ordinal, batch)
) partition by range (day);
alter table segment alter column bytes set storage external;
create table segment_other partition of segment default;
alter table segment_other alter column bytes set storage external;

-- Makes the tables of the months from one day to another, where they are missing.
create function segment_months(from_day bigint, until_day bigint) returns void
language plpgsql security definer set search_path from current as $$
declare
    epoch constant date := date '1970-01-01';
    month date := date_trunc('month', epoch + cast(from_day as integer));
    name text;
    first_day bigint;
    next_day bigint;
begin
    perform pg_advisory_xact_lock(hashtext('zhibao segment_months'));
    while month <= epoch + cast(until_day as integer) loop
        name := 'segment_' || to_char(month, 'YYYYMM');
        first_day := month - epoch;
        month := month + interval '1 month';
        next_day := month - epoch;
        if to_regclass(name) is null then
            execute format('create table %I (like segment including all)', name);
            execute format('with moved as (delete from segment_other where day >= %s and day < %s '
                'returning *) insert into %I select * from moved', first_day, next_day, name);
            execute format('alter table segment attach partition %I for values from (%s) to (%s)',
                name, first_day, next_day);
        end if;
    end loop;
end $$;
revoke execute on function segment_months from public;

create table order_day (
    topic text collate "C" not null,
    partition bigint not null,
    day bigint not null,
    state text collate "C" not null,
    next_ordinal bigint not null,
    revision bigint not null default 0,
    primary key (topic, partition, day)
);

create table order_count (
    platform text collate "C" not null,
    line text collate "C" not null,
    county bigint not null,
    day bigint not null,
    rule bigint not null,
    basis text collate "C" not null,
    partition bigint not null,
    after_cut bigint not null,
    orders bigint not null,
    primary key (platform, line, day, county, rule, basis, partition, after_cut)
);

-- A count is the sum over partitions, and what one partition takes back another may have counted:
-- so the sum is what never falls below zero, looked at when a transaction that took orders back
-- commits. Those of one platform take turns there, so that two cannot both take the last one.
create function order_count_stays() returns trigger language plpgsql as $$
declare
    counted record;
begin
    if tg_op = 'DELETE' then counted := old; else counted := new; end if;
    perform pg_advisory_xact_lock(hashtext('zhibao order_count'), hashtext(counted.platform));
    if (select sum(orders) from order_count where platform = counted.platform
            and line = counted.line and day = counted.day and county = counted.county
            and rule = counted.rule and basis = counted.basis) < 0 then
        raise exception
            'order_count: expected a count of 0 or more, found less for % % county % day %',
            counted.platform, counted.line, counted.county, counted.day
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
create constraint trigger order_count_begins after insert on order_count
    deferrable initially deferred for each row when (new.orders < 0)
    execute function order_count_stays();
create constraint trigger order_count_changes after update on order_count
    deferrable initially deferred for each row when (new.orders < old.orders)
    execute function order_count_stays();
create constraint trigger order_count_ends after delete on order_count
    deferrable initially deferred for each row when (old.orders > 0)
    execute function order_count_stays();
create function order_count_keeps_its_key() returns trigger language plpgsql as $$
begin
    raise exception 'order_count: expected a change of orders alone, found another key'
        using errcode = 'check_violation';
end $$;
create trigger order_count_keeps_its_key before update on order_count for each row
    when ((new.platform, new.line, new.county, new.day, new.rule, new.basis)
        is distinct from (old.platform, old.line, old.county, old.day, old.rule, old.basis))
    execute function order_count_keeps_its_key();

-- What was last told to the national platform of a sealed day, so that a revision is owed only
-- where the figures changed.
create table day_snapshot (
    platform text collate "C" not null,
    line text collate "C" not null,
    day bigint not null,
    revision bigint not null,
    digest bytea not null,
    primary key (platform, line, day)
);
