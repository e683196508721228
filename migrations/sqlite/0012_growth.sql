-- Growing a topic to a multiple of its partitions.

-- How many partitions the topic is being grown to: meanwhile, nobody applies its messages.
alter table topic add column growing_to bigint;

-- As in `topic`, where a claim sees it under the lock of the row; 0 where nothing grows.
alter table position add column growing_to bigint not null default 0;

-- Whose batches a partition's segments are of, where it was made by growing: those up to
-- `batch_until` are the ancestor's, which had applied its log up to `next_offset` then.
create table growth (
    topic       text   not null,
    partition   bigint not null,
    ancestor    bigint not null,
    batch_until bigint not null,
    next_offset bigint not null,
    primary key (topic, partition, ancestor)
) without rowid;
