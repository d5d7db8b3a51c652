#include "job/ranks.h"

#include "gigawarp/error.h"
#include "job/inputs.h"
#include "job/runner.h"
#include "shard/plane_sharing.h"
#include "solve/device_choice.h"

namespace gigawarp::job {

bool is_for_ranks(const std::string& device) { return solve::is_ranks(device); }

Ranks::Ranks() : own_(shard::make_process_communicator()), communicator_(own_.get()) {}
Ranks::~Ranks() = default;

void Ranks::fail(const Error& error) const {
  const std::string who = is_first() ? "" : "Rank " + std::to_string(communicator_->rank()) + ": ";
  communicator_->fail(error.code(), who + error.what());
}

void announce(shard::Communicator& communicator, Announcement announcement) {
  communicator.broadcast(&announcement, sizeof announcement, 0);
}

RunResult take_part(const JobSpec& job, const RunOptions& options) {
  shard::Communicator& communicator = options.ranks->communicator();
  RunResult result;
  Announcement announcement;
  communicator.broadcast(&announcement, sizeof announcement, 0);
  result.was_complete = announcement.nothing_to_do;
  if (result.was_complete) return result;
  RunSwitch own_control;
  const RunSwitch& control = options.control != nullptr ? *options.control : own_control;
  {
    const RunInputs inputs = load_inputs(
        job, {announcement.streamed, announcement.levels, shard::share_planes(communicator)},
        control.stop_token());
    solve::RunControl run;
    run.stop = control.stop_token();
    result.levels =
        std::move(solve::register_on_ranks(inputs.view(), job, run, communicator).levels);
  }
  communicator.barrier();  // rank 0 has written the results
  return result;
}

}  // namespace gigawarp::job
