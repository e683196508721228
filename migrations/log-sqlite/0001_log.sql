-- The embedded log: compressed batches of records, positions given to intake sources, CSV headers.
-- Times are milliseconds since the epoch; positions are half-open. Blobs stand last in their row,
-- so that a look at the other columns does not touch their pages.

create table log_topic (
    topic_id integer primary key,
    topic    text    not null unique
);

-- Outlives the batches: extents stay right after everything is trimmed.
create table log_partition (
    topic_id     bigint not null,
    partition    bigint not null,
    first_offset bigint not null default 0,
    next_offset  bigint not null default 0,
    received_at  bigint not null default 0,
    primary key (topic_id, partition)
) without rowid;

create table log_batch (
    topic_id      bigint not null,
    partition     bigint not null,
    first_offset  bigint not null,
    next_offset   bigint not null,
    received_at   bigint not null,
    feed          text   not null,
    header_digest blob,
    raw_bytes     bigint not null,
    bytes         blob   not null
);
create unique index log_batch_position on log_batch (topic_id, partition, first_offset);

create table log_mark (
    mark_id    integer primary key,
    source     text    not null unique,
    bytes_in   bigint  not null,
    records_in bigint  not null,
    complete   bigint  not null,
    digest     blob    not null
);

-- Positions that an intake source was given, as long as the log keeps the records.
create table log_given (
    mark_id        bigint not null,
    records_before bigint not null,
    topic_id       bigint not null,
    partition      bigint not null,
    first_offset   bigint not null,
    next_offset    bigint not null,
    primary key (mark_id, records_before, partition)
) without rowid;
create index log_given_position on log_given (topic_id, partition, next_offset);

create table log_header (
    digest blob not null primary key,
    line   blob not null
) without rowid;
