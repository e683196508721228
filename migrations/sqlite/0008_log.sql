-- What the state database keeps of the log. Times are milliseconds since the epoch; positions are
-- half-open.

-- What tells the topic from another one under its name; null until it is known.
alter table topic add column log_id text;

-- SHA-256 of the last applied record; null until one is applied.
alter table position add column last_digest blob;

-- Progress of intake sources, and positions that they were given, for a log on brokers, which
-- cannot look a source up; the embedded log has both in its own file.
create table intake_mark (
    source     text   not null primary key,
    topic      text   not null,
    bytes_in   bigint not null,
    records_in bigint not null,
    complete   bigint not null,
    digest     blob   not null
) without rowid;

create table intake_given (
    source         text   not null,
    records_before bigint not null,
    partition      bigint not null,
    first_offset   bigint not null,
    next_offset    bigint not null,
    primary key (source, records_before, partition, first_offset)
) without rowid;
create index intake_given_position on intake_given (partition, next_offset);

-- Header lines of CSV records by SHA-256.
create table csv_header (
    digest blob not null primary key,
    line   blob not null
) without rowid;
