-- Statements, registrations, periods and levies. Units as in 0001.

-- Every revision of a day's totals that stood once; the highest stands now. `figures` are
-- `<county>:<orders>` joined by `;`, ascending, without zeros.
create table statement (
    platform text collate "C" not null,
    line text collate "C" not null,
    day bigint not null,
    revision bigint not null,
    figures text collate "C" not null,
    event_id text collate "C" not null,
    received_at bigint not null,
    primary key (platform, line, day, revision)
);

-- A day without a statement that an operator accepted, so that its period may freeze.
create table statement_missing (
    platform text collate "C" not null,
    line text collate "C" not null,
    day bigint not null,
    reason text collate "C" not null,
    accepted_by text collate "C" not null,
    accepted_at bigint not null,
    primary key (platform, line, day)
);

create table registration (
    credit_code text collate "C" not null,
    line text collate "C" not null,
    action text collate "C" not null,
    effective_from bigint not null,
    platform text collate "C" not null,
    document_no text collate "C" not null,
    event_id text collate "C" not null,
    received_at bigint not null,
    primary key (credit_code, line, effective_from, action)
);

-- A period has a row once it is frozen: effects of messages received before cut_at are its figure.
create table period (
    platform text collate "C" not null,
    line text collate "C" not null,
    month bigint not null,
    cut_at bigint not null,
    reason text collate "C" not null,
    issued_at bigint,
    primary key (platform, line, month)
);

-- What was issued for a period, by rate. Revision 1 is the frozen figure; later revisions are
-- signed differences to all before. The figure of a period is the sum of its rows.
create table levy_line (
    platform text collate "C" not null,
    line text collate "C" not null,
    month bigint not null,
    revision bigint not null,
    rate_li bigint not null,
    kind text collate "C" not null,
    orders bigint not null,
    amount_fen bigint not null,
    cause text collate "C" not null,
    caused_at bigint not null,
    primary key (platform, line, month, revision, rate_li)
);
