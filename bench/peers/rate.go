// SPDX-License-Identifier: BSD-2-Clause

// golang.org/x/time/rate: Allow far below the rate, the same told the time, and refused.
// rate THREADS[,THREADS...] MS REPETITIONS
//
// As in ../measure.c: goroutines locked to threads of their own, pinned, started together; a repetition counts only
// if all ran at once for 80 % of it.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/time/rate"
)

const tries = 8

type peer struct {
	name    string
	limiter *rate.Limiter
	allowed bool
	told    bool // the time
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, "rate: "+what)
	os.Exit(1)
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 {
		fail(text + " must be a number from 1 on")
	}
	return value
}

func affinity(call uintptr, mask *[16]uint64) {
	if _, _, err := syscall.RawSyscall(call, 0, unsafe.Sizeof(*mask), uintptr(unsafe.Pointer(mask))); err != 0 {
		fail("can't pin a thread")
	}
}

// The numbers of the processors that this process may use.
func processors() []int {
	var mask [16]uint64
	var list []int
	affinity(syscall.SYS_SCHED_GETAFFINITY, &mask)
	for cpu := 0; cpu < 1024; cpu++ {
		if mask[cpu/64]>>(cpu%64)&1 == 1 {
			list = append(list, cpu)
		}
	}
	return list
}

func (p *peer) run(iterations int) {
	if p.told {
		now := time.Now()
		for i := 0; i < iterations; i++ {
			if !p.limiter.AllowN(now, 1) {
				fail(p.name + " does something else than it should")
			}
			now = now.Add(4)
		}
		return
	}
	for i := 0; i < iterations; i++ {
		if p.limiter.Allow() != p.allowed {
			fail(p.name + " does something else than it should")
		}
	}
}

// One repetition: ns per operation and thread, and whether the threads ran at once.
func (p *peer) repeat(iterations int, cpus []int) (float64, bool) {
	var ready int32
	var done sync.WaitGroup
	start := time.Now()
	begins := make([]time.Duration, len(cpus))
	ends := make([]time.Duration, len(cpus))
	for i := range cpus {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			// Not unlocked: a pinned thread ends with its goroutine.
			runtime.LockOSThread()
			var mask [16]uint64
			mask[cpus[i]/64] = 1 << (cpus[i] % 64)
			affinity(syscall.SYS_SCHED_SETAFFINITY, &mask)
			p.run(iterations/16 + 1)
			atomic.AddInt32(&ready, 1)
			for atomic.LoadInt32(&ready) < int32(len(cpus)) {
			}
			begins[i] = time.Since(start)
			p.run(iterations)
			ends[i] = time.Since(start)
		}(i)
	}
	done.Wait()
	sum := time.Duration(0)
	for i := range cpus {
		sum += ends[i] - begins[i]
	}
	sort.Slice(begins, func(i, j int) bool { return begins[i] < begins[j] })
	sort.Slice(ends, func(i, j int) bool { return ends[i] < ends[j] })
	together := ends[0] - begins[len(cpus)-1]
	whole := ends[len(cpus)-1] - begins[0]
	return float64(sum) / float64(len(cpus)) / float64(iterations), together*100 >= whole*80
}

func (p *peer) measure(cpus []int, ms, repetitions int) {
	iterations := 256
	for {
		ns, _ := p.repeat(iterations, cpus)
		if ns*float64(iterations) >= float64(ms)*1e6/4 {
			iterations = int(float64(ms)*1e6/ns) + 1
			break
		}
		iterations *= 4
	}
	var kept []float64
	for i := 0; i < repetitions*tries && len(kept) < repetitions; i++ {
		if ns, together := p.repeat(iterations, cpus); together {
			kept = append(kept, ns)
		}
	}
	if len(kept) < repetitions {
		fmt.Fprintf(os.Stderr, "rate: %s: its %d threads did not run at once; left out\n", p.name, len(cpus))
		return
	}
	sort.Float64s(kept)
	fmt.Printf("{\"bench\": \"%s\", \"threads\": %d, \"min_ns\": %.3f, \"median_ns\": %.3f}\n",
		p.name, len(cpus), kept[0], kept[len(kept)/2])
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: rate THREADS[,THREADS...] MS REPETITIONS")
	}
	cpus := processors()
	// One more than the threads, for the runtime itself.
	runtime.GOMAXPROCS(len(cpus) + 1)
	empty := rate.NewLimiter(rate.Every(365*24*time.Hour), 1)
	empty.Allow()
	peers := []peer{
		{"peer.x_time_rate", rate.NewLimiter(1e9, 1e9), true, false},
		{"peer.x_time_rate_now", rate.NewLimiter(1e9, 1e9), true, true},
		{"peer.x_time_rate_refuse", empty, false, false},
	}
	for _, text := range strings.Split(os.Args[1], ",") {
		threads := number(text)
		if threads > len(cpus) {
			fail(text + " are more threads than processors")
		}
		for i := range peers {
			peers[i].measure(cpus[:threads], number(os.Args[2]), number(os.Args[3]))
		}
	}
}
