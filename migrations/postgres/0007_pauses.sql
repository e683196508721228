-- Why messages of a connector are held now and then: reasons that are nothing new.
create table held_reason (
    connector text collate "C" not null,
    reason    text collate "C" not null,
    primary key (connector, reason)
);

-- Connectors of which nothing is applied until an operator resumes: too many of their messages were
-- held for a reason that was new.
create table pause (
    connector text collate "C" not null primary key,
    reason    text collate "C" not null,
    held      bigint not null check (held > 0),
    messages  bigint not null check (messages >= held),
    since     bigint not null
);
