-- Batches that crash the applying side: where the last one of a partition began, where the first of
-- them ended, how many records the last one had, and how often it has happened. A single record
-- that crashes twice is held.
create table apply_crash (
    topic        text   not null,
    partition    bigint not null,
    at_offset    bigint not null,
    until_offset bigint not null,
    records      bigint not null check (records > 0),
    crashes      bigint not null check (crashes > 0),
    detail       text   not null,
    primary key (topic, partition)
) without rowid;
