-- Finding the lowest undelivered record of each key without reading what is delivered already,
-- and the refusals that stop a key.

create index outbox_open on outbox (destination, key, seq) where state in ('owed', 'unknown');
create index outbox_refused on outbox (destination, key, seq) where state = 'refused';
-- The relay reads by key; due times stand in the row of a key's lowest record.
drop index outbox_owed;
