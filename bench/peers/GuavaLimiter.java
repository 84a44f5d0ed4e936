// SPDX-License-Identifier: BSD-2-Clause

// Guava's RateLimiter: tryAcquire far below the rate, and refused.
// GuavaLimiter THREADS[,THREADS...] MS REPETITIONS
//
// As in ../measure.c, but the threads aren't pinned: Java can't. Each limiter is warmed up for half a second by the loop that
// is measured, with as many threads.

import com.google.common.util.concurrent.RateLimiter;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

public final class GuavaLimiter {
    private static final int TRIES = 8;
    private static final long WARM_UP_NS = 500_000_000L;

    private final String name;
    private final RateLimiter limiter;
    private final boolean granted;

    private GuavaLimiter(String name, RateLimiter limiter, boolean granted) {
        this.name = name;
        this.limiter = limiter;
        this.granted = granted;
    }

    private void run(long iterations) {
        for (long i = 0; i < iterations; i++) {
            if (limiter.tryAcquire() != granted) {
                System.err.println("GuavaLimiter: " + name + " does something else than it should");
                System.exit(1);
            }
        }
    }

    // One repetition: ns per operation and thread, negative when the threads didn't run at once.
    private double repeat(long iterations, int threads) throws InterruptedException {
        AtomicInteger ready = new AtomicInteger();
        long[] begins = new long[threads];
        long[] ends = new long[threads];
        Thread[] workers = new Thread[threads];
        for (int t = 0; t < threads; t++) {
            int number = t;
            workers[t] = new Thread(() -> {
                run(iterations / 16 + 1);
                ready.incrementAndGet();
                while (ready.get() < threads) {
                    Thread.onSpinWait();
                }
                begins[number] = System.nanoTime();
                run(iterations);
                ends[number] = System.nanoTime();
            });
            workers[t].start();
        }
        double sum = 0;
        for (int t = 0; t < threads; t++) {
            workers[t].join();
            sum += ends[t] - begins[t];
        }
        Arrays.sort(begins);
        Arrays.sort(ends);
        double ns = sum / threads / iterations;
        long together = ends[0] - begins[threads - 1];
        long whole = ends[threads - 1] - begins[0];
        return together * 100 >= whole * 80 ? ns : -ns;
    }

    private void measure(int threads, int ms, int repetitions) throws InterruptedException {
        long iterations = 1000;
        for (long start = System.nanoTime(); System.nanoTime() - start < WARM_UP_NS;) {
            iterations = (long) (ms * 1e6 / Math.abs(repeat(iterations, threads))) + 1;
        }
        double[] kept = new double[repetitions];
        int count = 0;
        for (int i = 0; i < repetitions * TRIES && count < repetitions; i++) {
            double ns = repeat(iterations, threads);
            if (ns > 0) {
                kept[count++] = ns;
            }
        }
        if (count < repetitions) {
            System.err.printf("GuavaLimiter: %s: its %d threads did not run at once; left out%n", name, threads);
            return;
        }
        Arrays.sort(kept);
        System.out.printf("{\"bench\": \"%s\", \"threads\": %d, \"min_ns\": %.3f, \"median_ns\": %.3f}%n",
                name, threads, kept[0], kept[repetitions / 2]);
    }

    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length != 3) {
            System.err.println("usage: GuavaLimiter THREADS[,THREADS...] MS REPETITIONS");
            System.exit(2);
        }
        RateLimiter empty = RateLimiter.create(1.0 / (365 * 86400));
        empty.tryAcquire();
        GuavaLimiter[] peers = {
            new GuavaLimiter("peer.guava", RateLimiter.create(1e9), true),
            new GuavaLimiter("peer.guava_refuse", empty, false),
        };
        for (String threads : arguments[0].split(",")) {
            for (GuavaLimiter peer : peers) {
                peer.measure(Integer.parseInt(threads), Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
            }
        }
    }
}
