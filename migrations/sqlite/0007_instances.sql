-- Instances beside one another, and counts that the database itself keeps from falling below zero.

-- Instances that want partitions, alive until `alive_until` by this database's clock.
create table instance (
    owner       text   not null primary key,
    alive_until bigint not null
) without rowid;

-- Work that one instance does for all, and which.
create table leader (
    work        text   not null primary key,
    owner       text   not null,
    lease_until bigint not null
) without rowid;

-- What was held of one connector since a number.
create index held_of_connector on held (connector, blob);

-- A count is the sum over partitions. It is looked at row by row, for triggers here cannot wait for
-- the commit: whoever changes several rows of a count adds first and takes back last.
create trigger order_count_begins after insert on order_count
when new.orders < 0 and (select sum(orders) from order_count where platform = new.platform
    and line = new.line and day = new.day and county = new.county and rule = new.rule
    and basis = new.basis) < 0
begin
    select raise(abort, 'order_count: expected a count of 0 or more, found less');
end;
create trigger order_count_changes after update on order_count
when new.orders < old.orders and (select sum(orders) from order_count
    where platform = new.platform and line = new.line and day = new.day
    and county = new.county and rule = new.rule and basis = new.basis) < 0
begin
    select raise(abort, 'order_count: expected a count of 0 or more, found less');
end;
create trigger order_count_ends after delete on order_count
when old.orders > 0 and (select coalesce(sum(orders), 0) from order_count
    where platform = old.platform and line = old.line and day = old.day
    and county = old.county and rule = old.rule and basis = old.basis) < 0
begin
    select raise(abort, 'order_count: expected a count of 0 or more, found less');
end;
create trigger order_count_keeps_its_key before update on order_count
when (new.platform, new.line, new.county, new.day, new.rule, new.basis)
    is not (old.platform, old.line, old.county, old.day, old.rule, old.basis)
begin
    select raise(abort, 'order_count: expected a change of orders alone, found another key');
end;
