-- Publishing canonical events from committed state.

-- How far the batches of a raw partition are published; no row means that nothing is.
create table publish_cursor (
    topic     text   not null,
    partition bigint not null,
    batch     bigint not null,
    primary key (topic, partition)
) without rowid;

-- Events other than orders that wait to be published: written by the transaction that applied
-- them, deleted once the append is confirmed. `seq` orders what waits, and starts again when
-- nothing does.
create table publish_outbox (
    topic    text   not null,
    seq      bigint not null,
    event_id text   not null,
    key      text   not null,
    record   text   not null,
    datum    blob   not null,
    primary key (topic, seq, event_id)
) without rowid;

-- The schema of every number that stands in a published frame.
create table canonical_schema (
    id     bigint not null primary key,
    record text   not null,
    body   text   not null
);
