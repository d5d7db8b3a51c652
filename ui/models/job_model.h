#pragma once
#include <QAbstractTableModel>
#include <QStringList>

#include "gigawarp/job.h"

namespace gigawarp::ui {

class Workspace;

/// The settings of the next run, the very JobSpec the command line takes. Its stages are the rows
/// of a table: kind with a box that switches the stage on, metric, levels.
class JobModel final : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { kind_column, metric_column, levels_column, column_count };

  explicit JobModel(QObject* parent = nullptr);

  const QString& preset() const { return preset_; }
  void set_preset(const QString& name);
  /// True when stages differ from those of the preset.
  bool is_changed() const;

  int stage_count() const { return static_cast<int>(stages_.size()); }
  const StageSpec& stage(int row) const { return stages_[static_cast<std::size_t>(row)].spec; }
  void set_stage(int row, const StageSpec& spec);

  /// Device, threads, memory, output directory, initialisation and what is written; its images and
  /// stages are not used.
  const JobSpec& common() const { return common_; }
  void set_common(const JobSpec& common);

  /// The job with the files of the workspace; the alignment by hand becomes `initial_transform`.
  JobSpec job_for(const Workspace& workspace) const;
  /// Takes over the settings of a job; its files are the caller's to open.
  void take(const JobSpec& job);

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 Q_SIGNALS:
  void changed();

 private:
  struct Row {
    StageSpec spec;
    bool on = true;
  };
  void set_stages(const std::vector<StageSpec>& stages);

  QString preset_;
  std::vector<Row> stages_;
  JobSpec common_;
};

/// "8×100, 4×150": shrink factor times iterations; both "x" and "×" are read.
QString levels_text(const std::vector<LevelSpec>& levels);
/// Empty when the text is not a list of levels from coarse to fine.
std::vector<LevelSpec> parse_levels(const QString& text);

/// A shell command that does the same run: by options where they say it all, else through
/// `job_file`.
QString command_line(const JobSpec& job, bool is_preset, const QString& job_file);

/// What the command line is told of an image beside its file, as options that begin with `prefix`
/// ("--fixed-"): what is selected, and a voxel size given by hand.
QStringList image_options(const QString& prefix, const ImageSelection& selection,
                          const std::optional<Vec3>& spacing_mm = {});

/// Words as a shell reads them, quoted where need be.
QString shell_command(const QStringList& words);

/// One thing that is odd about the pair before a run.
struct GateFinding {
  QString sentence;
  bool serious = false;  ///< a run would most likely be wrong: it is asked about before the start
};
/// Sizes, voxel sizes and orientations that do not go together, images that do not overlap.
std::vector<GateFinding> gate_findings(const Workspace& workspace);
/// What the run will take the two images for, in lines of rich text: extent, voxel size, and where
/// the stored axes point.
QString gate_table(const Workspace& workspace);

}  // namespace gigawarp::ui
