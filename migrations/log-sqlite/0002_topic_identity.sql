-- What tells a topic from another one under its name, in another file.
alter table log_topic add column identity text not null default '';
update log_topic set identity = lower(hex(randomblob(16)));
