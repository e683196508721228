-- Positions and ownership, batches, order segments, counts, held messages, outbox, versions.
-- Times are milliseconds since the epoch, days are days since 1970-01-01 (Asia/Shanghai),
-- months are months since year 0, money is fen, rates are li.

create table version (
    kind         text   not null,
    number       bigint not null,
    digest       blob   not null,
    body         blob   not null,
    activated_at bigint,
    primary key (kind, number)
);

create table topic (
    topic      text   not null primary key,
    connector  text   not null,
    partitions bigint not null
);

create table position (
    topic         text   not null,
    partition     bigint not null,
    owner         text,
    epoch         bigint not null default 0,
    batch         bigint not null default 0,
    lease_until   bigint not null default 0,
    next_offset   bigint not null default 0,
    received_at   bigint not null default 0,
    chain_head    blob   not null,
    primary key (topic, partition)
);

-- What became of each message, three a byte, compressed, as long as the log keeps the messages.
-- Rows of a few kibibytes, here and in segment: a table without rowid would move the most of each
-- to pages of its own, mostly empty.
create table batch (
    topic        text   not null,
    partition    bigint not null,
    batch        bigint not null,
    batch_last   bigint not null,
    kind         text   not null,
    first_offset bigint not null,
    next_offset  bigint not null,
    received_at  bigint not null,
    versions     text   not null,
    digest       blob   not null,
    outcomes     blob   not null,
    primary key (topic, partition, batch)
);

create table outcome_sum (
    connector text   not null,
    feed      text   not null,
    day       bigint not null,
    received  bigint not null,
    applied   bigint not null,
    duplicate bigint not null,
    held      bigint not null,
    ignored   bigint not null,
    handoff   bigint not null,
    primary key (connector, feed, day)
) without rowid;

create table segment (
    topic         text   not null,
    partition     bigint not null,
    day           bigint not null,
    kind          text   not null,
    first_ordinal bigint not null,
    batch         bigint not null,
    batch_last    bigint not null,
    next_ordinal  bigint not null,
    rows          bigint not null,
    bytes         blob   not null,
    primary key (topic, partition, day, kind, first_ordinal, batch)
);

create table order_day (
    topic        text   not null,
    partition    bigint not null,
    day          bigint not null,
    state        text   not null,
    next_ordinal bigint not null,
    revision     bigint not null default 0,
    primary key (topic, partition, day)
) without rowid;

create table order_count (
    platform  text   not null,
    line      text   not null,
    county    bigint not null,
    day       bigint not null,
    rule      bigint not null,
    basis     text   not null,
    partition bigint not null,
    after_cut bigint not null,
    orders    bigint not null,
    primary key (platform, line, day, county, rule, basis, partition, after_cut)
) without rowid;

-- The bytes of the messages that one batch held, one after another, as one zstd frame. Numbers are
-- never given again: what was held since a number is what has a greater one.
create table held_blob (
    blob      integer primary key autoincrement,
    raw_bytes bigint not null,
    bytes     blob   not null
);

-- A held message; its bytes are `bytes` long from `first_byte` on in its blob.
create table held (
    digest        blob   not null,
    connector     text   not null,
    reason        text   not null,
    detail        text   not null,
    waits_for     text,
    feed          text   not null,
    header_digest blob,
    topic         text   not null,
    partition     bigint not null,
    offset        bigint not null,
    received_at   bigint not null,
    -- The manifests that read it, and the fingerprint of the order that they route it by.
    manifests     bigint not null,
    order_print   bigint,
    blob          bigint not null,
    first_byte    bigint not null,
    bytes         bigint not null,
    primary key (digest, connector)
) without rowid;
create index held_in_blob on held (blob);
create index held_waiting on held (waits_for, received_at, topic, partition, offset)
    where waits_for is not null;

create table handoff (
    topic          text   not null,
    to_partition   bigint not null,
    from_partition bigint not null,
    batch          bigint not null,
    events         bigint not null,
    bytes          blob   not null,
    primary key (topic, to_partition, from_partition, batch)
) without rowid;

create table outbox (
    id          text   not null primary key,
    destination text   not null,
    key         text   not null,
    seq         bigint not null,
    kind        text   not null,
    revision    bigint not null,
    body        text   not null,
    caused_at   bigint not null,
    state       text   not null,
    attempts    bigint not null default 0,
    next_try_at bigint not null default 0,
    answer      text,
    answered_at bigint,
    acked_at    bigint,
    ack_refused text,
    unique (destination, key, seq)
);
create index outbox_owed on outbox (destination, state, next_try_at);

create table outbox_key (
    destination text   not null,
    key         text   not null,
    seq         bigint not null,
    primary key (destination, key)
);
