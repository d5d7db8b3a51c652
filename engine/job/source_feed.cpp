#include "job/source_feed.h"

#include <cmath>
#include <cstring>

#include "base/parallel.h"
#include "io/convert.h"
#include "io/stopping.h"

namespace gigawarp::job {
namespace {

bool is_float(ScalarType type) { return type == ScalarType::f32 || type == ScalarType::f64; }

constexpr std::int64_t kBlock = std::int64_t{1} << 16;  ///< voxels per piece of work

/// Calls body(begin, end) over blocks of [0, n), in parallel.
template <class Body>
void in_blocks(std::int64_t n, const Body& body) {
  parallel_for((n + kBlock - 1) / kBlock,
               [&](std::int64_t i) { body(i * kBlock, std::min(n, (i + 1) * kBlock)); });
}

class FiniteFeed final : public VolumeFeed {
 public:
  FiniteFeed(std::shared_ptr<const VolumeFeed> feed, double replacement)
      : feed_(std::move(feed)), replacement_(replacement) {}
  const Grid& grid() const override { return feed_->grid(); }
  ScalarType type() const override { return feed_->type(); }
  std::int64_t brick_planes() const override { return feed_->brick_planes(); }
  const PlaneSharing* sharing() const override { return feed_->sharing(); }
  void read(const Box& box, std::byte* out) const override {
    feed_->read(box, out);
    if (type() == ScalarType::f32) replace(reinterpret_cast<float*>(out), box.voxel_count());
    if (type() == ScalarType::f64) replace(reinterpret_cast<double*>(out), box.voxel_count());
  }

 private:
  template <class T>
  void replace(T* values, std::int64_t n) const {
    in_blocks(n, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        if (!std::isfinite(values[i])) values[i] = static_cast<T>(replacement_);
    });
  }
  std::shared_ptr<const VolumeFeed> feed_;
  double replacement_;
};

class StoppableFeed final : public VolumeFeed {
 public:
  StoppableFeed(std::shared_ptr<const VolumeFeed> feed, std::stop_token stop)
      : feed_(std::move(feed)), stop_(std::move(stop)) {}
  const Grid& grid() const override { return feed_->grid(); }
  ScalarType type() const override { return feed_->type(); }
  int channels() const override { return feed_->channels(); }
  std::int64_t brick_planes() const override { return feed_->brick_planes(); }
  std::int64_t slab_planes() const override { return feed_->slab_planes(); }
  const PlaneSharing* sharing() const override { return feed_->sharing(); }
  void read(const Box& box, std::byte* out) const override {
    io::look_at(stop_);
    feed_->read(box, out);
  }

 private:
  std::shared_ptr<const VolumeFeed> feed_;
  std::stop_token stop_;
};

class NonZeroFeed final : public VolumeFeed {
 public:
  explicit NonZeroFeed(std::shared_ptr<const VolumeFeed> feed) : feed_(std::move(feed)) {}
  const Grid& grid() const override { return feed_->grid(); }
  ScalarType type() const override { return ScalarType::u8; }
  std::int64_t brick_planes() const override { return feed_->brick_planes(); }
  const PlaneSharing* sharing() const override { return feed_->sharing(); }
  void read(const Box& box, std::byte* out) const override {
    Volume part(Grid{box.size, {}}, feed_->type());
    feed_->read(box, part.data());
    auto* flags = reinterpret_cast<std::uint8_t*>(out);
    dispatch(part.type(), [&]<class T>() {
      const T* from = part.channel<T>();
      in_blocks(box.voxel_count(), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) flags[i] = from[i] != T(0) ? 1 : 0;
      });
    });
  }

 private:
  std::shared_ptr<const VolumeFeed> feed_;
};

}  // namespace

SourceFeed::SourceFeed(std::shared_ptr<const io::BrickSource> source, std::filesystem::path path,
                       const Choice& choice)
    : source_(std::move(source)), path_(std::move(path)), choice_(choice) {
  const Grid file = io::header_of(*source_, choice.level, path_).grid;
  source_size_ = file.size;
  grid_ = reordered(file, choice.order);
}

ScalarType SourceFeed::type() const {
  const ScalarType type = source_->info().type;
  return choice_.labels && is_float(type) ? ScalarType::i32 : type;
}

std::int64_t SourceFeed::brick_planes() const {
  const auto& level = source_->info().levels[static_cast<std::size_t>(choice_.level)];
  return level.brick[static_cast<std::size_t>(choice_.order.axis[2])];
}

void SourceFeed::read(const Box& box, std::byte* out) const {
  read_box(box, out);
  if (tell_read_) tell_read_(box.voxel_count());
}

void SourceFeed::read_box(const Box& box, std::byte* out) const {
  io::look_at(stop_);
  std::optional<TimeSum::Piece> piece;
  if (read_time_ != nullptr) piece.emplace(*read_time_);
  const Box from = in_source(box, choice_.order, source_size_);
  const ScalarType stored = source_->info().type;
  if (choice_.order.is_identity() && stored == type()) {
    source_->read(choice_.level, choice_.channel, from, out);
    return;
  }
  Volume part(Grid{from.size, {}}, stored);
  source_->read(choice_.level, choice_.channel, from, part.data());
  if (stored != type()) part = io::as_label_map(std::move(part), path_);
  if (!choice_.order.is_identity()) part = reordered(part, choice_.order);
  std::memcpy(out, part.data(), part.bytes());
}

std::shared_ptr<const VolumeFeed> with_finite_values(std::shared_ptr<const VolumeFeed> feed,
                                                     double replacement) {
  return std::make_shared<FiniteFeed>(std::move(feed), replacement);
}

std::shared_ptr<const VolumeFeed> stoppable(std::shared_ptr<const VolumeFeed> feed,
                                            std::stop_token stop) {
  return std::make_shared<StoppableFeed>(std::move(feed), std::move(stop));
}

std::shared_ptr<const VolumeFeed> non_zero(std::shared_ptr<const VolumeFeed> feed) {
  return std::make_shared<NonZeroFeed>(std::move(feed));
}

}  // namespace gigawarp::job
