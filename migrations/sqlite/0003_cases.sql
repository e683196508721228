-- Cases, decisions, roster, the two sub-ledgers, suspects. Tokens are 64 unsigned bits stored as
-- signed ones; money is fen; days are days since 1970-01-01, months are months since year 0.

-- A row a key that an event names: taken before anything is looked at.
create table key_lock (
    key  text   not null primary key,
    uses bigint not null
) without rowid;

create table case_file (
    case_id      text   not null primary key,
    state        text   not null,
    platform     text   not null,
    worker       bigint not null,
    person       bigint not null,
    accident_at  bigint not null,
    county       bigint not null,
    order_id     text,
    next_seq     bigint not null
);
create index case_file_state on case_file (state);

-- Every applied event of a case, in the order in which it was applied.
create table case_event (
    case_id     text   not null references case_file (case_id),
    seq         bigint not null,
    identity    text   not null,
    digest      blob   not null,
    event_id    text   not null,
    occurred_at bigint not null,
    received_at bigint not null,
    primary key (case_id, seq),
    unique (case_id, identity)
);

-- Decisions are versioned; a row is never updated.
create table case_decision (
    case_id     text   not null references case_file (case_id),
    function    text   not null,
    version     bigint not null,
    body        text   not null,
    document_no text   not null,
    decided_on  bigint not null,
    outcome     text   not null,
    situation   text,
    grade       bigint,
    instruction text,
    event_id    text   not null,
    primary key (case_id, function, version)
);
create index case_decision_instruction on case_decision (instruction) where instruction is not null;

create table benefit_item (
    case_id    text   not null,
    version    bigint not null,
    item       text   not null,
    amount_fen bigint not null,
    primary key (case_id, version, item)
) without rowid;

create table case_evidence (
    case_id text   not null primary key references case_file (case_id),
    status  text   not null,
    orders  text   not null,
    as_of   bigint not null
);

-- Clear identity stands here only, each field encrypted: algorithm, key, nonce, ciphertext.
create table roster (
    platform    text   not null,
    worker      bigint not null,
    person      bigint not null,
    rider       blob   not null,
    name        blob   not null,
    identity_no blob   not null,
    from_day    bigint not null,
    event_id    text   not null,
    primary key (platform, worker)
);
create index roster_person on roster (person);

-- Facts of tax, by the number of their document; the same number with other content is a row too.
create table tax_fact (
    kind         text   not null,
    number       text   not null,
    digest       blob   not null,
    platform     text   not null,
    line         text   not null,
    period       bigint not null,
    orders       bigint,
    amount_fen   bigint not null,
    late_fee_fen bigint not null,
    booked_on    bigint not null,
    treasury_on  bigint,
    event_id     text   not null,
    received_at  bigint not null,
    primary key (kind, number, digest)
);
create index tax_fact_period on tax_fact (platform, line, period, kind);

-- Facts of bank, treasury and finance. `stands` is 0 for a voucher number that came again with
-- other content: it is booked in suspense and never finds a cause by itself.
create table fund_fact (
    connector   text   not null,
    voucher_no  text   not null,
    digest      blob   not null,
    kind        text   not null,
    stands      bigint not null,
    account     text   not null,
    to_account  text,
    amount_fen  bigint not null,
    e_ticket    text,
    instruction text,
    case_id     text,
    booked_on   bigint not null,
    event_id    text   not null,
    received_at bigint not null,
    primary key (connector, voucher_no, digest)
);
create index fund_fact_ticket on fund_fact (e_ticket) where e_ticket is not null;
create index fund_fact_instruction on fund_fact (instruction) where instruction is not null;

-- Postings are written first and their entry last: the entry is refused unless they balance, and
-- the deferred reference refuses to commit postings without an entry.
create table posting (
    entry_id   text   not null references entry (id) deferrable initially deferred,
    line_no    bigint not null,
    account    text   not null,
    amount_fen bigint not null check (amount_fen <> 0),
    primary key (entry_id, line_no)
) without rowid;
create index posting_account on posting (account);

create table entry (
    id          text   not null primary key,
    book        text   not null check (book in ('cash', 'memo')),
    booked_on   bigint not null,
    cause_event text   not null,
    subject     text   not null,
    links       text references entry (id),
    caused_at   bigint not null
);

create trigger entry_balances before insert on entry
when (select count(*) from posting where entry_id = new.id) < 2
  or (select sum(amount_fen) from posting where entry_id = new.id) <> 0
begin
    select raise(abort, 'entry: expected at least two postings that sum to zero');
end;
create trigger entry_stays before update on entry
begin
    select raise(abort, 'entry: expected a new entry that names the old one, found an update');
end;
create trigger entry_is_kept before delete on entry
begin
    select raise(abort, 'entry: expected a new entry that names the old one, found a delete');
end;
create trigger posting_is_complete before insert on posting
when exists (select 1 from entry where id = new.entry_id)
begin
    select raise(abort, 'posting: expected no further line of an entry that stands');
end;
create trigger posting_stays before update on posting
begin
    select raise(abort, 'posting: expected a new entry, found an update');
end;
create trigger posting_is_kept before delete on posting
begin
    select raise(abort, 'posting: expected a new entry, found a delete');
end;

create view balance as
select e.book as book, p.account as account, cast(sum(p.amount_fen) as bigint) as amount_fen
from posting p join entry e on e.id = p.entry_id
group by e.book, p.account;

-- 疑点. `raised_by` and `cleared_by` are entries, or the fact where it posts nothing.
create table suspect (
    id         text   not null primary key,
    rule       text   not null,
    subject    text   not null,
    state      text   not null check (state in ('open', 'cleared')),
    raised_by  text   not null,
    raised_at  bigint not null,
    cleared_by text,
    cleared_at bigint
);
create index suspect_open on suspect (subject, state);
