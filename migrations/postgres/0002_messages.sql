-- Held messages, handoff between partitions, what is owed to counterparties, and publishing.

-- The bytes of the messages that one batch held, one after another, as one zstd frame. Numbers are
-- never given again: what was held since a number is what has a greater one.
create table held_blob (
    blob bigint generated always as identity primary key,
    raw_bytes bigint not null,
    bytes bytea not null
);
alter table held_blob alter column bytes set storage external;

-- A held message; its bytes are `bytes` long from `first_byte` on in its blob.
create table held (
    digest bytea not null,
    connector text collate "C" not null,
    reason text collate "C" not null,
    detail text collate "C" not null,
    waits_for text collate "C",
    feed text collate "C" not null,
    header_digest bytea,
    topic text collate "C" not null,
    partition bigint not null,
    "offset" bigint not null,
    received_at bigint not null,
    -- The manifests that read it, and the fingerprint of the order that they route it by.
    manifests bigint not null,
    order_print bigint,
    blob bigint not null,
    first_byte bigint not null,
    bytes bigint not null,
    primary key (digest, connector)
);
create index held_in_blob on held (blob);
-- What was held of one connector since a number.
create index held_of_connector on held (connector, blob);
create index held_waiting on held (waits_for, received_at, topic, partition, "offset")
    where waits_for is not null;

create table handoff (
    topic text collate "C" not null,
    to_partition bigint not null,
    from_partition bigint not null,
    batch bigint not null,
    events bigint not null,
    bytes bytea not null,
    primary key (topic, to_partition, from_partition, batch)
);
alter table handoff alter column bytes set storage external;

create table outbox (
    id text collate "C" not null primary key,
    destination text collate "C" not null,
    key text collate "C" not null,
    seq bigint not null,
    kind text collate "C" not null,
    revision bigint not null,
    body text collate "C" not null,
    caused_at bigint not null,
    state text collate "C" not null,
    attempts bigint not null default 0,
    next_try_at bigint not null default 0,
    answer text collate "C",
    answered_at bigint,
    acked_at bigint,
    ack_refused text collate "C",
    unique (destination, key, seq)
);
-- The lowest undelivered record of each key, and the refusals that stop a key.
create index outbox_open on outbox (destination, key, seq) where state in ('owed', 'unknown');
create index outbox_refused on outbox (destination, key, seq) where state = 'refused';

create table outbox_key (
    destination text collate "C" not null,
    key text collate "C" not null,
    seq bigint not null,
    primary key (destination, key)
);

-- How far the batches of a raw partition are published; no row means that nothing is.
create table publish_cursor (
    topic text collate "C" not null,
    partition bigint not null,
    batch bigint not null,
    primary key (topic, partition)
);

-- Events other than orders that wait to be published: written by the transaction that applied
-- them, deleted once the append is confirmed. `seq` orders what waits, and starts again when
-- nothing does.
create table publish_outbox (
    topic text collate "C" not null,
    seq bigint not null,
    event_id text collate "C" not null,
    key text collate "C" not null,
    record text collate "C" not null,
    datum bytea not null,
    primary key (topic, seq, event_id)
);

-- The schema of every number that stands in a published frame.
create table canonical_schema (
    id bigint not null primary key,
    record text collate "C" not null,
    body text collate "C" not null
);
