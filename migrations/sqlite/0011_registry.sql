-- The schema registry: numbers of schemas, the texts that have them, and versions by subject. Rows
-- are only ever added: a number that stands in a frame means the same for ever.

-- The text that is answered for a number: the first that had it.
create table registry_schema (
    id   bigint not null primary key,
    body text   not null
);

-- Texts by SHA-256 of their canonical JSON; texts that differ in documentation alone may share a
-- number of the hub's own.
create table registry_text (
    digest    blob   not null primary key,
    schema_id bigint not null references registry_schema (id)
) without rowid;

create table registry_version (
    subject   text   not null,
    version   bigint not null,
    schema_id bigint not null references registry_schema (id),
    primary key (subject, version)
) without rowid;
create index registry_version_schema on registry_version (schema_id);

-- Numbers that another registry gave to texts of ours, by its address.
create table registry_elsewhere (
    registry  text   not null,
    digest    blob   not null,
    schema_id bigint not null,
    primary key (registry, digest)
) without rowid;
