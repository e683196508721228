package main

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	readMax = 20_000
	// How many statements are on their way at once.
	inFlight = 4
)

// orders reads the topics from their beginning to the ends that they had at the start.
type orders struct {
	client *kgo.Client
	number map[string]int
	// place and end of what is still to be read
	left map[place]int64
}

type place struct {
	topic     string
	partition int32
}

func registerOrders(ctx context.Context, brokers []string, prefix, group string) error {
	topics, number := []string{}, map[string]int{}
	for n, platform := range platforms {
		topics = append(topics, prefix+platform.name)
		number[prefix+platform.name] = n
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(32<<20),
		kgo.FetchMaxPartitionBytes(4<<20),
		kgo.FetchMinBytes(1<<20),
		kgo.AutoCommitMarks(),
	)
	if err != nil {
		return err
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	left := map[place]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[place{end.Topic, end.Partition}] = end.Offset
		}
	})
	input := &orders{client, number, left}
	make := func(*service.ParsedConfig, *service.Resources) (service.BatchInput, error) {
		return input, nil
	}
	return service.RegisterBatchInput("bench_orders", service.NewConfigSpec(), make)
}

func (o *orders) Connect(context.Context) error { return nil }

func (o *orders) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	if len(o.left) == 0 {
		return nil, nil, service.ErrEndOfInput
	}
	fetches := o.client.PollRecords(ctx, readMax)
	if err := fetches.Err(); err != nil {
		return nil, nil, err
	}
	records := fetches.Records()
	batch := make(service.MessageBatch, 0, len(records))
	for _, record := range records {
		message := service.NewMessage(record.Value)
		message.MetaSetMut("platform", o.number[record.Topic])
		batch = append(batch, message)
		at := place{record.Topic, record.Partition}
		if end, waits := o.left[at]; waits && record.Offset+1 >= end {
			delete(o.left, at)
		}
	}
	ack := func(_ context.Context, err error) error {
		if err == nil {
			o.client.MarkCommitRecords(records...)
		}
		return err
	}
	return batch, ack, nil
}

func (o *orders) Close(ctx context.Context) error {
	err := o.client.CommitMarkedOffsets(ctx)
	o.client.Close()
	return err
}

// accepted keeps what tells of an acceptance, decoded.
type accepted struct{}

func registerAccepted() error {
	make := func(*service.ParsedConfig, *service.Resources) (service.BatchProcessor, error) {
		return accepted{}, nil
	}
	return service.RegisterBatchProcessor("bench_accepted", service.NewConfigSpec(), make)
}

func (accepted) ProcessBatch(
	_ context.Context, batch service.MessageBatch,
) ([]service.MessageBatch, error) {
	kept := batch[:0]
	for _, message := range batch {
		platform, _ := message.MetaGetMut("platform")
		body, err := message.AsBytes()
		if err != nil {
			return nil, err
		}
		told, err := read(platform.(int), body)
		if err != nil {
			return nil, err
		}
		if told != nil {
			message.MetaSetMut("accepted", told)
			kept = append(kept, message)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return []service.MessageBatch{kept}, nil
}

func (accepted) Close(context.Context) error { return nil }

// counted writes each order once.
type counted struct {
	pool *pgxpool.Pool
}

type row struct {
	platform int16
	*acceptance
}

const insert = `
insert into bench_connect (platform, day, county, order_no)
select * from unnest($1::smallint[], $2::integer[], $3::integer[], $4::text[])
on conflict do nothing`

func registerCounted(pool *pgxpool.Pool) error {
	make := func(*service.ParsedConfig, *service.Resources) (
		service.BatchOutput, service.BatchPolicy, int, error,
	) {
		return &counted{pool: pool}, service.BatchPolicy{}, inFlight, nil
	}
	return service.RegisterBatchOutput("bench_counted", service.NewConfigSpec(), make)
}

func (c *counted) Connect(context.Context) error { return nil }

func (c *counted) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	rows := make([]row, 0, len(batch))
	for _, message := range batch {
		platform, _ := message.MetaGetMut("platform")
		told, is := message.MetaGetMut("accepted")
		if !is {
			return errors.New("expected an acceptance, found none")
		}
		rows = append(rows, row{int16(platform.(int)), told.(*acceptance)})
	}
	// In the order of the key: two statements never wait for one another in a circle, and the
	// index is written page by page.
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(
			cmp.Compare(a.platform, b.platform),
			cmp.Compare(a.day, b.day),
			cmp.Compare(a.order, b.order),
		)
	})
	numbers := make([]int16, len(rows))
	days, counties := make([]int32, len(rows)), make([]int32, len(rows))
	names := make([]string, len(rows))
	for n, row := range rows {
		numbers[n], days[n], counties[n], names[n] = row.platform, row.day, row.county, row.order
	}
	_, err := c.pool.Exec(ctx, insert, numbers, days, counties, names)
	return err
}

func (c *counted) Close(context.Context) error { return nil }
