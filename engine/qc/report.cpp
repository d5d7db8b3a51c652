#include "qc/report.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace gigawarp::qc {
namespace {

using Json = nlohmann::ordered_json;

/// JSON knows no NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const Similarity& s) {
  return {{"voxels", s.voxels}, {"ncc", number(s.ncc)}, {"nmi", number(s.nmi)}};
}

Json json_of(const Distances& d) {
  return {{"points", d.points},
          {"undefined", d.undefined},
          {"mean_mm", number(d.mean_mm)},
          {"p95_mm", number(d.p95_mm)},
          {"max_mm", number(d.max_mm)}};
}

Json json_of(const ops::JacobianSummary& j) {
  return {{"voxels", j.voxels},           {"folds", j.folds},
          {"undefined", j.undefined},     {"folds_percent", number(j.folds_percent)},
          {"minimum", number(j.minimum)}, {"maximum", number(j.maximum)},
          {"mean", number(j.mean)},       {"sd_log", number(j.sd_log)}};
}

using Names = std::map<std::int64_t, std::string>;

Json json_of(const OverlapSummary& o, const Names& names) {
  Json labels = Json::array();
  for (const LabelOverlap& l : o.labels) {
    Json row{{"label", l.label}};
    if (const auto name = names.find(l.label); name != names.end()) row["name"] = name->second;
    row["dice"] = l.dice;
    row["hd95_mm"] = l.hd95_mm < 0 ? Json(nullptr) : Json(l.hd95_mm);
    row["fixed_voxels"] = l.fixed_voxels;
    row["warped_voxels"] = l.warped_voxels;
    row["common_voxels"] = l.common_voxels;
    labels.push_back(std::move(row));
  }
  return {{"count", o.labels.size()},
          {"dice_mean", number(o.dice_mean)},
          {"dice_p30", number(o.dice_p30)},
          {"hd95_mean_mm", o.hd95_mean_mm < 0 ? Json(nullptr) : Json(o.hd95_mean_mm)},
          {"labels", std::move(labels)}};
}

Json json_of(const LandmarkErrors& e) {
  Json list = Json::array();
  for (const LandmarkError& l : e.landmarks)
    list.push_back(
        {{"name", l.name}, {"before_mm", number(l.before_mm)}, {"after_mm", number(l.after_mm)}});
  return {{"before", json_of(e.before)},
          {"after", json_of(e.after)},
          {"unmatched", e.unmatched},
          {"landmarks", std::move(list)}};
}

__attribute__((format(printf, 2, 3))) void print(std::string& to, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  to += line;
}

void print_distances(std::string& to, const char* name, const Distances& d) {
  print(to, "%-26s mean %.4f   p95 %.4f   max %.4f mm   (%lld points", name, d.mean_mm, d.p95_mm,
        d.max_mm, static_cast<long long>(d.points));
  if (d.undefined > 0) print(to, ", %lld undefined", static_cast<long long>(d.undefined));
  to += ")\n";
}

void print_overlap(std::string& to, const char* name, const OverlapSummary& o) {
  print(to, "%-26s mean %.4f   p30 %.4f   over %zu labels\n", name, o.dice_mean, o.dice_p30,
        o.labels.size());
  if (o.hd95_mean_mm >= 0) print(to, "%-26s mean %.3f mm\n", "HD95", o.hd95_mean_mm);
}

void print_labels(std::string& to, const OverlapSummary& o, const Names& names) {
  print(to, "\n%10s %8s %10s %12s %12s%s\n", "label", "Dice", "HD95 mm", "fixed vox", "warped vox",
        names.empty() ? "" : "  name");
  for (const LabelOverlap& l : o.labels) {
    print(to, "%10lld %8.4f ", static_cast<long long>(l.label), l.dice);
    l.hd95_mm < 0 ? print(to, "%10s", "-") : print(to, "%10.3f", l.hd95_mm);
    print(to, " %12lld %12lld", static_cast<long long>(l.fixed_voxels),
          static_cast<long long>(l.warped_voxels));
    if (const auto name = names.find(l.label); name != names.end()) to += "  " + name->second;
    to += "\n";
  }
}

void print_landmarks(std::string& to, const LandmarkErrors& e) {
  to += "\n   before    after  landmark\n";
  for (const LandmarkError& l : e.landmarks) {
    print(to, "%9.3f%9.3f  ", l.before_mm, l.after_mm);
    to += l.name + "\n";
  }
  for (const std::string& name : e.unmatched)
    to += "                    " + name + " (no partner)\n";
}

}  // namespace

std::string to_json(const QcReport& r) {
  Json out;
  out["qc_version"] = 1;
  out["fixed"] = r.fixed;
  if (r.measured_every > 1) out["measured_every_nth_voxel"] = r.measured_every;
  out["moving"] = r.moving;
  out["transform"] = r.transform;
  if (r.before) out["similarity_before"] = json_of(*r.before);
  if (r.after) out["similarity"] = json_of(*r.after);
  if (r.local_ncc_mean) out["local_ncc_mean"] = number(*r.local_ncc_mean);
  if (r.overlap) out["overlap"] = json_of(*r.overlap, r.label_names);
  if (r.inverse_overlap) out["inverse_overlap"] = json_of(*r.inverse_overlap, r.label_names);
  if (r.landmarks) out["landmarks"] = json_of(*r.landmarks);
  if (r.jacobian) {
    out["jacobian"] = json_of(*r.jacobian);
    out["jacobian"]["of"] = r.jacobian_of;
  }
  if (r.inverse_error) out["inverse_error"] = json_of(*r.inverse_error);
  if (r.difference) out["difference_to_reference"] = json_of(*r.difference);
  if (r.known_map) out["known_map_error"] = json_of(*r.known_map);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_table(const QcReport& r, bool details) {
  std::string out;
  out +=
      "fixed      " + r.fixed + "\nmoving     " + r.moving + "\ntransform  " + r.transform + "\n\n";
  if (r.measured_every > 1)
    print(out, "measured at one voxel in %lld along each axis: all would not fit in memory\n\n",
          static_cast<long long>(r.measured_every));
  const auto similar = [&](const char* name, const Similarity& s) {
    print(out, "%-26s NCC %.4f   NMI %.4f   (%lld voxels)\n", name, s.ncc, s.nmi,
          static_cast<long long>(s.voxels));
  };
  if (r.before) similar("similarity before", *r.before);
  if (r.after) similar("similarity after", *r.after);
  if (r.local_ncc_mean) print(out, "%-26s mean %.4f\n", "local NCC", *r.local_ncc_mean);
  if (r.overlap) print_overlap(out, "Dice", *r.overlap);
  if (r.inverse_overlap) print_overlap(out, "inverse Dice", *r.inverse_overlap);
  if (r.landmarks) {
    print_distances(out, "landmarks before", r.landmarks->before);
    print_distances(out, "landmarks after (TRE)", r.landmarks->after);
    if (r.landmarks->held_out.points > 0) {
      print_distances(out, "  of these used", r.landmarks->used);
      print_distances(out, "  of these held out", r.landmarks->held_out);
    }
  }
  if (r.jacobian) {
    const ops::JacobianSummary& j = *r.jacobian;
    print(out, "%-26s folds %.5f %%   min %.3f   max %.3f   SD log %.4f   (%s)\n", "det J",
          j.folds_percent, j.minimum, j.maximum, j.sd_log, r.jacobian_of.c_str());
  }
  if (r.inverse_error) print_distances(out, "inverse error", *r.inverse_error);
  if (r.difference) print_distances(out, "distance to reference", *r.difference);
  if (r.known_map) print_distances(out, "error of the map", *r.known_map);
  if (details && r.overlap) print_labels(out, *r.overlap, r.label_names);
  if (details && r.landmarks) print_landmarks(out, *r.landmarks);
  return out;
}

}  // namespace gigawarp::qc
