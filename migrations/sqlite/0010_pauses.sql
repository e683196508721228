-- Why messages of a connector are held now and then: reasons that are nothing new.
create table held_reason (
    connector text not null,
    reason    text not null,
    primary key (connector, reason)
) without rowid;

-- Connectors of which nothing is applied until an operator resumes: too many of their messages were
-- held for a reason that was new.
create table pause (
    connector text   not null primary key,
    reason    text   not null,
    held      bigint not null check (held > 0),
    messages  bigint not null check (messages >= held),
    since     bigint not null
) without rowid;
