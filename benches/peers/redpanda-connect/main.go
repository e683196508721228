// The peer on Redpanda Connect's library: Kafka to PostgreSQL, each order once by
// INSERT … ON CONFLICT DO NOTHING, counts by SQL.
//
// usage: redpanda-connect-peer BROKERS PREFIX GROUP DATABASE OUT
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

const table = `
drop table if exists bench_connect;
create table bench_connect (
    platform smallint not null,
    day integer not null,
    county integer not null,
    order_no text collate "C" not null,
    primary key (platform, day, order_no)
)`

const answer = `
select platform, day, county, count(*) from bench_connect
group by platform, day, county order by platform, day, county`

func main() {
	if len(os.Args) != 6 {
		expected := "expected brokers, prefix, group, database and file, found %d arguments"
		fail(fmt.Errorf(expected, len(os.Args)-1))
	}
	brokers, prefix, group, database, out := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, database)
	fail(err)
	_, err = pool.Exec(ctx, table)
	fail(err)

	fail(registerOrders(ctx, strings.Split(brokers, ","), prefix, group))
	fail(registerAccepted())
	fail(registerCounted(pool))
	builder := service.NewStreamBuilder()
	builder.SetThreads(2)
	fail(builder.SetLoggerYAML("level: WARN"))
	fail(builder.AddInputYAML("bench_orders: {}"))
	fail(builder.AddProcessorYAML("bench_accepted: {}"))
	fail(builder.AddOutputYAML("bench_counted: {}"))
	stream, err := builder.Build()
	fail(err)
	fail(stream.Run(ctx))

	fail(write(ctx, pool, out))
	pool.Close()
}

func write(ctx context.Context, pool *pgxpool.Pool, out string) error {
	rows, err := pool.Query(ctx, answer)
	if err != nil {
		return err
	}
	defer rows.Close()
	var text strings.Builder
	for rows.Next() {
		var platform int16
		var day, county int32
		var orders int64
		if err := rows.Scan(&platform, &day, &county, &orders); err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s,%d,%d,%d\n", platforms[platform].name, day, county, orders)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return os.WriteFile(out, []byte(text.String()), 0o644)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "redpanda-connect:", err)
		os.Exit(1)
	}
}
