// franz: the franz-go client of the integration tests.
//
//	franz read    --brokers B --group G --topics T,... --count N         joins the group, prints N records, commits, leaves
//	franz follow  --brokers B --group G --topics T,... --history FILE    reads and commits until SIGTERM
//	franz offsets --brokers B --group G                                  prints the committed offsets
//	franz produce --brokers B --topic T --writer W --history FILE [--count N] [--pace D] [--compression C]
//	                                                                     idempotent, until N records or SIGTERM
//
// A line of output or history is `word topic partition offset [value]`:
// r a record was read, c an offset was committed (told by the broker), s a record is about to be
// sent, a it was acknowledged, f it was refused. A history is written before the next step, so
// that it tells after a kill what the broker had promised.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	flags       = flag.NewFlagSet("franz", flag.ExitOnError)
	brokers     = flags.String("brokers", "", "the address of a broker")
	group       = flags.String("group", "", "a consumer group")
	topics      = flags.String("topics", "", "topics to read, comma separated")
	topic       = flags.String("topic", "", "the topic to write")
	count       = flags.Int("count", 0, "records to read or write; 0 until SIGTERM")
	writer      = flags.String("writer", "w", "begins every value that is written")
	history     = flags.String("history", "", "a file to append what happened to")
	pace        = flags.Duration("pace", 0, "time between two records that are written")
	compression = flags.String("compression", "none", "none, gzip, snappy, lz4 or zstd")
	limit       = flags.Duration("limit", time.Minute, "time for everything but follow and endless produce")
	session     = flags.Duration("session", 10*time.Second, "session timeout of the group member")
)

func main() {
	if len(os.Args) < 2 {
		flags.Usage()
		os.Exit(2)
	}
	_ = flags.Parse(os.Args[2:])
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	run := map[string]func(context.Context) error{"read": read, "follow": follow, "offsets": offsets, "produce": produce}[os.Args[1]]
	if run == nil {
		fmt.Fprintf(os.Stderr, "no command %q\n", os.Args[1])
		os.Exit(2)
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func client(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(*brokers, ",")...),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
		// A broker that was killed is back in well under a second.
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}, more...)...)
}

func member() (*kgo.Client, error) {
	return client(
		kgo.ConsumerGroup(*group),
		kgo.ConsumeTopics(strings.Split(*topics, ",")...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.SessionTimeout(*session),
		kgo.HeartbeatInterval(*session/5),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
}

func read(ctx context.Context) error {
	cl, err := member()
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	for n := 0; n < *count; {
		fetches := cl.PollRecords(ctx, *count-n)
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d records after %s", n, *count, *limit)
		}
		for _, e := range fetches.Errors() {
			fmt.Fprintf(os.Stderr, "fetch %s-%d: %v\n", e.Topic, e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			fmt.Printf("r %s %d %d %s\n", r.Topic, r.Partition, r.Offset, oneLine(r.Value))
			n++
		})
	}
	return cl.CommitUncommittedOffsets(ctx)
}

// oneLine keeps a history's lines whole.
func oneLine(value []byte) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(string(value))
}

// A log of what happened; each line reaches the file before the call returns.
type log struct {
	mu   sync.Mutex
	file *os.File
}

func openLog() (*log, error) {
	f, err := os.OpenFile(*history, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return &log{file: f}, err
}

func (l *log) note(format string, values ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.file, format+"\n", values...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func follow(ctx context.Context) error {
	l, err := openLog()
	if err != nil {
		return err
	}
	cl, err := member()
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, 1000)
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "fetch %s-%d: %v\n", e.Topic, e.Partition, e.Err)
			}
		}
		fetches.EachRecord(func(r *kgo.Record) { l.note("r %s %d %d", r.Topic, r.Partition, r.Offset) })
		if fetches.NumRecords() == 0 {
			continue
		}
		commit, done := context.WithTimeout(ctx, 5*time.Second)
		cl.CommitOffsetsSync(commit, cl.UncommittedOffsets(), func(_ *kgo.Client, request *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				fmt.Fprintf(os.Stderr, "commit: %v\n", err)
				return
			}
			noteCommitted(l, request, answer)
		})
		done()
	}
	return nil
}

// noteCommitted writes the offsets that the broker took: those of the request whose answer has no error.
func noteCommitted(l *log, request *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse) {
	refused := map[string]map[int32]error{}
	for i, t := range answer.Topics {
		name := t.Topic
		if name == "" && i < len(request.Topics) {
			name = request.Topics[i].Topic // answered by topic id
		}
		refused[name] = map[int32]error{}
		for _, p := range t.Partitions {
			refused[name][p.Partition] = kerr.ErrorForCode(p.ErrorCode)
		}
	}
	for _, t := range request.Topics {
		for _, p := range t.Partitions {
			err, answered := refused[t.Topic][p.Partition]
			if !answered || err != nil {
				fmt.Fprintf(os.Stderr, "commit %s-%d: answered %v, %v\n", t.Topic, p.Partition, answered, err)
				continue
			}
			l.note("c %s %d %d", t.Topic, p.Partition, p.Offset)
		}
	}
}

func offsets(ctx context.Context) error {
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group = *group
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = *group
	request.Groups = append(request.Groups, one)
	answer, err := request.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	var lines []string
	add := func(topic string, partition int32, offset int64) {
		if offset >= 0 {
			lines = append(lines, fmt.Sprintf("c %s %d %d", topic, partition, offset))
		}
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	for _, g := range answer.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return err
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				add(t.Topic, p.Partition, p.Offset)
			}
		}
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	return nil
}

func produce(ctx context.Context) error {
	l, err := openLog()
	if err != nil {
		return err
	}
	codec, ok := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[*compression]
	if !ok {
		return fmt.Errorf("no codec %q", *compression)
	}
	cl, err := client(
		kgo.DefaultProduceTopic(*topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerLinger(time.Millisecond),
		kgo.MaxBufferedRecords(200),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := 0; ctx.Err() == nil && (*count == 0 || i < *count); i++ {
		value := fmt.Sprintf("%s-%d", *writer, i)
		l.note("s %s -1 -1 %s", *topic, value)
		// Not the context of the signal: what was sent is waited for below.
		cl.Produce(context.Background(), kgo.StringRecord(value), func(r *kgo.Record, err error) {
			if err != nil {
				l.note("f %s -1 -1 %s %v", *topic, value, err)
				return
			}
			l.note("a %s %d %d %s", r.Topic, r.Partition, r.Offset, value)
		})
		if *pace > 0 {
			time.Sleep(*pace)
		}
	}
	rest, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	return cl.Flush(rest)
}
