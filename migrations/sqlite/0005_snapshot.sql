-- What was last told to the national platform of a sealed day, so that a revision is owed only
-- where the figures changed.
create table day_snapshot (
    platform text   not null,
    line     text   not null,
    day      bigint not null,
    revision bigint not null,
    digest   blob   not null,
    primary key (platform, line, day)
) without rowid;
