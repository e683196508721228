-- Cases, decisions, roster, the two sub-ledgers, suspects. Tokens are 64 unsigned bits stored as
-- signed ones; other units as in 0001.

-- A row a key that an event names: taken before anything is looked at.
create table key_lock (
    key text collate "C" not null primary key,
    uses bigint not null
);

create table case_file (
    case_id text collate "C" not null primary key,
    state text collate "C" not null,
    platform text collate "C" not null,
    worker bigint not null,
    person bigint not null,
    accident_at bigint not null,
    county bigint not null,
    order_id text collate "C",
    next_seq bigint not null
);
create index case_file_state on case_file (state);

-- Every applied event of a case, in the order in which it was applied.
create table case_event (
    case_id text collate "C" not null references case_file (case_id),
    seq bigint not null,
    identity text collate "C" not null,
    digest bytea not null,
    event_id text collate "C" not null,
    occurred_at bigint not null,
    received_at bigint not null,
    primary key (case_id, seq),
    unique (case_id, identity)
);

-- Decisions are versioned; a row is never updated.
create table case_decision (
    case_id text collate "C" not null references case_file (case_id),
    function text collate "C" not null,
    version bigint not null,
    body text collate "C" not null,
    document_no text collate "C" not null,
    decided_on bigint not null,
    outcome text collate "C" not null,
    situation text collate "C",
    grade bigint,
    instruction text collate "C",
    event_id text collate "C" not null,
    primary key (case_id, function, version)
);
create index case_decision_instruction on case_decision (instruction) where instruction is not null;

create table benefit_item (
    case_id text collate "C" not null,
    version bigint not null,
    item text collate "C" not null,
    amount_fen bigint not null,
    primary key (case_id, version, item)
);

create table case_evidence (
    case_id text collate "C" not null primary key references case_file (case_id),
    status text collate "C" not null,
    orders text collate "C" not null,
    as_of bigint not null
);

-- Clear identity stands here only, each field encrypted: algorithm, key, nonce, ciphertext.
create table roster (
    platform text collate "C" not null,
    worker bigint not null,
    person bigint not null,
    rider bytea not null,
    name bytea not null,
    identity_no bytea not null,
    from_day bigint not null,
    event_id text collate "C" not null,
    primary key (platform, worker)
);
create index roster_person on roster (person);

-- Facts of tax, by the number of their document; the same number with other content is a row too.
create table tax_fact (
    kind text collate "C" not null,
    number text collate "C" not null,
    digest bytea not null,
    platform text collate "C" not null,
    line text collate "C" not null,
    period bigint not null,
    orders bigint,
    amount_fen bigint not null,
    late_fee_fen bigint not null,
    booked_on bigint not null,
    treasury_on bigint,
    event_id text collate "C" not null,
    received_at bigint not null,
    primary key (kind, number, digest)
);
create index tax_fact_period on tax_fact (platform, line, period, kind);

-- Facts of bank, treasury and finance. `stands` is 0 for a voucher number that came again with
-- other content: it is booked in suspense and never finds a cause by itself.
create table fund_fact (
    connector text collate "C" not null,
    voucher_no text collate "C" not null,
    digest bytea not null,
    kind text collate "C" not null,
    stands bigint not null,
    account text collate "C" not null,
    to_account text collate "C",
    amount_fen bigint not null,
    e_ticket text collate "C",
    instruction text collate "C",
    case_id text collate "C",
    booked_on bigint not null,
    event_id text collate "C" not null,
    received_at bigint not null,
    primary key (connector, voucher_no, digest)
);
create index fund_fact_ticket on fund_fact (e_ticket) where e_ticket is not null;
create index fund_fact_instruction on fund_fact (instruction) where instruction is not null;

create table entry (
    id text collate "C" not null primary key,
    book text collate "C" not null check (book in ('cash', 'memo')),
    booked_on bigint not null,
    cause_event text collate "C" not null,
    subject text collate "C" not null,
    links text collate "C" references entry (id),
    caused_at bigint not null
);

create table posting (
    entry_id text collate "C" not null references entry (id) deferrable initially deferred,
    line_no bigint not null,
    account text collate "C" not null,
    amount_fen bigint not null check (amount_fen <> 0),
    primary key (entry_id, line_no)
);
create index posting_account on posting (account);

-- Looked at when the transaction commits, whichever of the two comes first, so that lines that
-- were added to an entry of another transaction are seen together with it.
create function entry_balances() returns trigger language plpgsql as $$
declare
    entry_id_ text;
    lines bigint;
    sum_fen numeric;
begin
    if tg_table_name = 'entry' then entry_id_ := new.id; else entry_id_ := new.entry_id; end if;
    select count(*), coalesce(sum(amount_fen), 0) into lines, sum_fen
        from posting where entry_id = entry_id_;
    if lines < 2 or sum_fen <> 0 then
        raise exception
            'entry %: expected at least two postings that sum to zero, found % of % fen',
            entry_id_, lines, sum_fen using errcode = 'check_violation';
    end if;
    return null;
end $$;
create constraint trigger entry_balances after insert on entry
    deferrable initially deferred for each row execute function entry_balances();
create constraint trigger posting_balances after insert on posting
    deferrable initially deferred for each row execute function entry_balances();

create function ledger_stays() returns trigger language plpgsql as $$
begin
    raise exception '%: expected a new entry that names the old one, found %',
        tg_table_name, lower(tg_op) using errcode = 'check_violation';
end $$;
create trigger entry_stays before update or delete or truncate on entry
    for each statement execute function ledger_stays();
create trigger posting_stays before update or delete or truncate on posting
    for each statement execute function ledger_stays();

create view balance as
select e.book as book, p.account as account, cast(sum(p.amount_fen) as bigint) as amount_fen
from posting p join entry e on e.id = p.entry_id
group by e.book, p.account;

-- 疑点. `raised_by` and `cleared_by` are entries, or the fact where it posts nothing.
create table suspect (
    id text collate "C" not null primary key,
    rule text collate "C" not null,
    subject text collate "C" not null,
    state text collate "C" not null check (state in ('open', 'cleared')),
    raised_by text collate "C" not null,
    raised_at bigint not null,
    cleared_by text collate "C",
    cleared_at bigint
);
create index suspect_open on suspect (subject, state);
