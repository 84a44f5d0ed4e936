// SPDX-License-Identifier: BSD-2-Clause

// The same chain from C++: any callable is a callback. The library is C, and no exception may fly through it: one
// that the callable throws is kept, settled as a failure, and thrown again by run.
#include <resil/breaker.h>
#include <resil/chain.h>
#include <resil/retry.h>
#include <resil/timeout.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace
{

// Policies and their chain, in one place that can't move: the chain points into it.
class Chain
{
  public:
    Chain()
    {
        resil_timeout_config timeout_config{};
        timeout_config.timeout_ns = RESIL_SEC(2);
        check(resil_timeout_init(&timeout_, &timeout_config), "timeout");

        resil_retry_config retry_config{};
        retry_config.attempts = 3;
        check(resil_retry_init(&retry_, &retry_config), "retry");
        check(resil_breaker_init(&breaker_, nullptr), "breaker");

        policies_[0] = resil_timeout_policy(&timeout_);
        policies_[1] = resil_retry_policy(&retry_);
        policies_[2] = resil_breaker_policy(&breaker_);
        char why[120] = "";
        check(resil_chain_init(&chain_, policies_, 3, why, sizeof why), why);
    }

    Chain(const Chain &) = delete;
    Chain &operator=(const Chain &) = delete;

    // Runs a callable (resil_attempt &) -> resil_outcome. Throws what its last run threw.
    template <class Callable> resil_report run(const resil_request &request, Callable &&callable)
    {
        using Plain = typename std::remove_reference<Callable>::type;
        struct Kept {
            Plain &callable;
            std::exception_ptr thrown;
        } kept{callable, nullptr};

        // A lambda without captures is a plain function, which is what C can call.
        auto bridge = [](void *arg, resil_attempt *attempt) noexcept -> resil_outcome {
            Kept &self = *static_cast<Kept *>(arg);

            try {
                self.thrown = nullptr;
                return self.callable(*attempt);
            } catch (...) {
                self.thrown = std::current_exception();
                return RESIL_FAILURE; // perhaps executed
            }
        };
        resil_report report{};

        const int rc =
            resil_chain_run(&chain_, resil_env_posix(), &request, bridge, &kept, &report);
        if (rc != RESIL_OK && kept.thrown)
            std::rethrow_exception(kept.thrown);
        return report;
    }

  private:
    static void check(int rc, const char *what)
    {
        if (rc != RESIL_OK)
            throw std::runtime_error(std::string(what) + ": " + resil_status_str(rc));
    }

    resil_timeout timeout_;
    resil_retry retry_;
    resil_breaker breaker_;
    resil_policy policies_[3];
    resil_chain chain_;
};

} // namespace

int main()
try {
    Chain chain;
    resil_request request{};
    int answer = 0;
    int runs = 0;

    request.idempotent = true; // a lookup may run twice: failures are retried, too
    resil_report report = chain.run(request, [&](resil_attempt &attempt) {
        if (attempt.number < 3)
            throw std::runtime_error("connection lost");
        answer = 42;
        return RESIL_SUCCESS;
    });
    std::printf("answer %d after %u attempts\n", answer, report.attempts);

    try {
        request.idempotent = false; // a payment may not
        chain.run(request, [&](resil_attempt &) -> resil_outcome {
            runs++;
            throw std::runtime_error("connection lost");
        });
    } catch (const std::runtime_error &error) {
        std::printf("not repeated, as it may have been executed: %s\n", error.what());
    }
    return answer == 42 && report.attempts == 3 && runs == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
}
