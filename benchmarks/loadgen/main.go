// Command loadgen drives one server with a closed loop and prints what it saw as JSON.
//
// N clients, each with a connection of its own and request bodies encoded beforehand, send the
// next request when the answer to the last one is there. It talks to loopback only and ends by
// itself. It is written in Go so that it takes as little as possible of the cores that the
// measured server needs too.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// requestTimeout bounds each request; longestRun bounds the whole measurement.
const (
	requestTimeout = 10 * time.Second
	longestRun     = 5 * time.Minute
)

// A client sends one body and fails unless the server answers with success and with content.
type client interface {
	send(body []byte) error
	close()
}

// point is one measurement: a server, a number of clients.
type point struct {
	Clients           int     `json:"clients"`
	Seconds           float64 `json:"seconds"`
	Requests          int     `json:"requests"`
	Errors            int     `json:"errors"`
	FirstError        string  `json:"first_error"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	P50Milliseconds   float64 `json:"p50_ms"`
	P90Milliseconds   float64 `json:"p90_ms"`
	P99Milliseconds   float64 `json:"p99_ms"`
}

// tally is what one client counted between the end of the warm-up and the end of the run.
type tally struct {
	latencies  []time.Duration
	errors     int
	firstError string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("loadgen: ")
	protocol := flag.String("protocol", "rest", "rest or grpc")
	target := flag.String("target", "", "loopback address, 127.0.0.1:8501")
	path := flag.String("path", "", "URL path, or the gRPC method /package.Service/Method")
	bodies := flag.String("bodies", "", "directory of encoded requests, one a file, sent in turn")
	clients := flag.Int("clients", 1, "number of clients in the closed loop")
	warmup := flag.Duration("warmup", 500*time.Millisecond, "time before counting starts")
	duration := flag.Duration("duration", 3*time.Second, "time that is counted")
	flag.Parse()

	encoded, err := readBodies(*bodies)
	if err != nil {
		log.Fatal(err)
	}
	if err := refuseOtherThanLoopback(*target); err != nil {
		log.Fatal(err)
	}
	if *clients < 1 || *duration <= 0 || *warmup+*duration > longestRun {
		log.Fatalf("needs at least one client and a run of at most %s", longestRun)
	}
	connect, found := map[string]func(target, path string) (client, error){
		"rest": connectREST,
		"grpc": connectGRPC,
	}[*protocol]
	if !found {
		log.Fatalf("-protocol is rest or grpc, not %q", *protocol)
	}
	crowd := make([]client, *clients)
	for i := range crowd {
		if crowd[i], err = connect(*target, *path); err != nil {
			log.Fatal(err)
		}
		defer crowd[i].close()
	}
	if err := json.NewEncoder(os.Stdout).Encode(run(crowd, encoded, *warmup, *duration)); err != nil {
		log.Fatal(err)
	}
}

// run lets all clients go at once and adds up what they counted.
func run(crowd []client, bodies [][]byte, warmup, duration time.Duration) point {
	begin := time.Now().Add(warmup)
	end := begin.Add(duration)
	tallies := make([]tally, len(crowd))
	var done sync.WaitGroup
	for i, each := range crowd {
		done.Add(1)
		go func() {
			defer done.Done()
			tallies[i] = loop(each, bodies, i, begin, end)
		}()
	}
	done.Wait()
	return summarise(tallies, duration)
}

// loop sends until the end and counts the answers that arrive between begin and end.
func loop(each client, bodies [][]byte, offset int, begin, end time.Time) tally {
	var counted tally
	for i := offset; ; i++ {
		sent := time.Now()
		if !sent.Before(end) {
			return counted
		}
		err := each.send(bodies[i%len(bodies)])
		answered := time.Now()
		switch {
		case err != nil:
			// Errors count from the very first request on: none may hide in the warm-up.
			counted.errors++
			if counted.firstError == "" {
				counted.firstError = err.Error()
			}
			// A server that is gone is not to be hammered.
			time.Sleep(10 * time.Millisecond)
		case !answered.Before(begin) && answered.Before(end):
			counted.latencies = append(counted.latencies, answered.Sub(sent))
		}
	}
}

func summarise(tallies []tally, duration time.Duration) point {
	var all []time.Duration
	result := point{Clients: len(tallies), Seconds: duration.Seconds()}
	for _, each := range tallies {
		all = append(all, each.latencies...)
		result.Errors += each.errors
		if result.FirstError == "" {
			result.FirstError = each.firstError
		}
	}
	slices.Sort(all)
	result.Requests = len(all)
	result.RequestsPerSecond = float64(len(all)) / duration.Seconds()
	result.P50Milliseconds = percentile(all, 0.50)
	result.P90Milliseconds = percentile(all, 0.90)
	result.P99Milliseconds = percentile(all, 0.99)
	return result
}

// percentile takes the nearest rank of sorted latencies, in milliseconds; 0 when there are none.
func percentile(sorted []time.Duration, fraction float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := min(int(fraction*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[rank]) / float64(time.Millisecond)
}

func readBodies(directory string) ([][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*"))
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	if len(bodies) == 0 {
		return nil, errors.New("-bodies names a directory without files")
	}
	return bodies, nil
}

func refuseOtherThanLoopback(target string) error {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	if address := net.ParseIP(host); address == nil || !address.IsLoopback() {
		return fmt.Errorf("-target is a loopback address, not %s", target)
	}
	return nil
}
