#include <QCoreApplication>
#include <QLocale>
#include <QRegularExpression>
#include <algorithm>
#include <cmath>

#include "job/input_checks.h"
#include "job/names.h"
#include "ui/models/job_model.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

QString quoted(const std::string& word) {
  static const QRegularExpression plain(QStringLiteral("^[A-Za-z0-9_./:,=@%+-]+$"));
  QString text = QString::fromStdString(word);
  if (plain.match(text).hasMatch()) return text;
  text.replace(QLatin1Char('\''), QStringLiteral("'\\''"));
  return QLatin1Char('\'') + text + QLatin1Char('\'');
}

/// Longest sides beyond these are asked about.
constexpr double kLargestMm = 1500, kSmallestMm = 0.5;

/// World box of a grid, from its corners.
std::pair<Vec3, Vec3> box_of(const Grid& grid, const Affine& world_from_grid) {
  Vec3 low{1e300, 1e300, 1e300}, high{-1e300, -1e300, -1e300};
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 voxel{};
    for (int a = 0; a < 3; ++a)
      voxel[a] = (corner >> a & 1) != 0 ? static_cast<double>(grid.size[a]) - 0.5 : -0.5;
    const Vec3 world = world_from_grid(grid.world_from_voxel(voxel));
    for (int a = 0; a < 3; ++a) {
      low[a] = std::min(low[a], world[a]);
      high[a] = std::max(high[a], world[a]);
    }
  }
  return {low, high};
}

}  // namespace

QStringList image_options(const QString& prefix, const ImageSelection& selection,
                          const std::optional<Vec3>& spacing_mm) {
  QStringList words;
  for (const auto& [name, number] :
       {std::pair{"level", selection.level}, std::pair{"channel", selection.channel},
        std::pair{"timepoint", selection.timepoint}})
    if (number) words << prefix + QLatin1String(name) << QString::number(*number);
  if (!spacing_mm) return words;
  QStringList mm;
  for (const double v : *spacing_mm) mm << QString::number(v, 'g', QLocale::FloatingPointShortest);
  return words << prefix + QStringLiteral("spacing") << mm.join(QLatin1Char(','));
}

QString shell_command(const QStringList& words) {
  QStringList shown;
  for (const QString& word : words) shown << quoted(word.toStdString());
  return shown.join(QLatin1Char(' '));
}

QString command_line(const JobSpec& job, bool is_preset, const QString& job_file) {
  QStringList words{QStringLiteral("gigawarp"), QStringLiteral("register")};
  const auto option = [&words](const char* name, const std::string& value) {
    if (!value.empty()) words << QLatin1String(name) << quoted(value);
  };
  if (!is_preset) {
    option("--job", job_file.toStdString());
  } else {
    for (const std::string& file : job.fixed) option("--fixed", file);
    words << image_options(QStringLiteral("--fixed-"), job.fixed_selection, job.fixed_spacing_mm);
    for (const std::string& file : job.moving) option("--moving", file);
    words << image_options(QStringLiteral("--moving-"), job.moving_selection,
                           job.moving_spacing_mm);
    option("--preset", job.preset);
    option("--fixed-mask", job.fixed_mask);
    option("--moving-mask", job.moving_mask);
    option("--fixed-labels", job.fixed_labels);
    option("--labels", job.moving_labels);
    if (!job.fixed_landmarks.empty())
      words << QStringLiteral("--landmarks") << quoted(job.fixed_landmarks)
            << quoted(job.moving_landmarks);
    option("--init", job.initialisation == Initialisation::transform ? job.initial_transform
                     : job.initialisation == Initialisation::automatic
                         ? std::string()
                         : job::name_of(job.initialisation));
    if (job.device != "auto") option("--device", job.device);
    if (job.threads > 0) option("--threads", std::to_string(job.threads));
    if (job.memory_bytes > 0) option("--memory", std::to_string(job.memory_bytes));
    if (!job.write_inverse) words << QStringLiteral("--no-inverse");
    if (!job.write_warped) words << QStringLiteral("--no-warped");
    if (!job.compress) words << QStringLiteral("--uncompressed");
    if (job.warp_grid != WarpGrid::full) option("--warp-grid", job::name_of(job.warp_grid));
    if (job.image_format != ImageFormat::nifti) option("--format", job::name_of(job.image_format));
    if (job.pyramid != PyramidUse::automatic) option("--pyramid", job::name_of(job.pyramid));
  }
  option("--out", job.output_directory);
  return words.join(QLatin1Char(' '));
}

std::vector<GateFinding> gate_findings(const Workspace& workspace) {
  std::vector<GateFinding> findings;
  const Layer& fixed = workspace.layers().layer(LayerRole::fixed);
  const Layer& moving = workspace.layers().layer(LayerRole::moving);
  if (fixed.volume == nullptr || moving.volume == nullptr) return findings;
  const Grid &f = fixed.grid(), &m = moving.grid();
  const auto add = [&](const QString& sentence, bool serious) {
    findings.push_back({sentence, serious});
  };
  if (job::sides_are_odd(f, m))
    add(tr("The longest side is %1 mm in the fixed and %2 mm in the moving image: is a voxel size "
           "wrong?")
            .arg(f.longest_side_mm(), 0, 'g', 3)
            .arg(m.longest_side_mm(), 0, 'g', 3),
        true);
  for (const auto& [grid, name] : {std::pair{&f, tr("fixed")}, std::pair{&m, tr("moving")}}) {
    if (grid->longest_side_mm() > kLargestMm || grid->longest_side_mm() < kSmallestMm)
      add(tr("The %1 image is %2 mm long, which no brain is: is its voxel size in other units?")
              .arg(name)
              .arg(grid->longest_side_mm(), 0, 'g', 3),
          true);
    if (grid->world_from_voxel.determinant() < 0)
      add(tr("The axes of the %1 image are left-handed. That is allowed; check that its left is "
             "left.")
              .arg(name),
          false);
    if (*std::min_element(grid->size.begin(), grid->size.end()) < 2)
      add(tr("The %1 image has one slice only; what moves out of it cannot be found.").arg(name),
          true);
  }
  for (const Layer* layer : {&fixed, &moving})
    for (const QString& note : layer->notes) add(note, false);
  const auto [fl, fh] = box_of(f, workspace.alignment());
  const auto [ml, mh] = box_of(m, {});
  for (std::size_t a = 0; a < 3; ++a)
    if (fl[a] > mh[a] || ml[a] > fh[a]) {
      add(tr("By what the files say, the two images do not overlap. The automatic start brings "
             "their centres together; or align them by hand."),
          false);
      break;
    }
  return findings;
}

namespace {

/// One number where all three are the same; else three of three digits, so that they fit one line.
QString short_spacing(const Vec3& spacing) {
  const bool even = std::abs(spacing[0] - spacing[1]) < 1e-4 * spacing[0] &&
                    std::abs(spacing[0] - spacing[2]) < 1e-4 * spacing[0];
  if (!even) {
    const bool fine = std::max({spacing[0], spacing[1], spacing[2]}) < 0.1;
    QStringList parts;
    for (const double mm : spacing) parts << QString::number(fine ? 1000 * mm : mm, 'g', 3);
    return parts.join(QStringLiteral("×")) +
           (fine ? QStringLiteral("&nbsp;µm") : QStringLiteral("&nbsp;mm"));
  }
  return spacing[0] >= 0.1 ? tr("%1 mm").arg(spacing[0], 0, 'g', 4)
                           : tr("%1 µm").arg(1000 * spacing[0], 0, 'g', 4);
}

}  // namespace

QString gate_table(const Workspace& workspace) {
  QString rows;
  for (const LayerRole role : {LayerRole::fixed, LayerRole::moving}) {
    const Layer& layer = workspace.layers().layer(role);
    if (layer.volume == nullptr) return {};
    const Grid& grid = layer.grid();
    QStringList sides;
    for (const double side_mm : grid.sides_mm()) sides << QString::number(side_mm, 'g', 3);
    rows +=
        QStringLiteral("<tr><td>%1&nbsp;</td><td>%2&nbsp;</td><td>%3&nbsp;</td><td>%4</td></tr>")
            .arg(role == LayerRole::fixed ? tr("fixed") : tr("moving"),
                 sides.join(QStringLiteral("×")), short_spacing(grid.spacing_mm()),
                 QString::fromStdString(grid.orientation()));
  }
  return QStringLiteral("<table><tr><td></td><td>%1</td><td>%2</td><td>%3</td></tr>%4</table>")
      .arg(tr("extent, mm"), tr("voxel"), tr("axes"), rows);
}

}  // namespace gigawarp::ui
