#pragma once
#include <QAbstractTableModel>
#include <memory>
#include <optional>
#include <vector>

#include "gigawarp/transform.h"
#include "io/landmarks_io.h"

namespace gigawarp::ui {

class Workspace;

/// The landmarks that both images have, one row each: name, whether it is held out, and how far the
/// warp shown now leads past it. Changes go through the workspace, where they can be undone.
class LandmarkPairs final : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { name_column, held_out_column, residual_column, column_count };
  struct Pair {
    std::string name;
    Vec3 fixed_mm{}, moving_mm{};
    bool held_out = false;
    double residual_mm = 0;       ///< NaN where the warp is undefined
    std::optional<Vec3> seen_mm;  ///< where the warped image shows the moving point
  };
  /// Mean residual of the pairs that may be fitted and of those held out, apart.
  struct Summary {
    int used = 0, held_out = 0;
    double used_mm = 0, held_out_mm = 0;
  };

  explicit LandmarkPairs(Workspace& workspace, QObject* parent = nullptr);

  const std::vector<Pair>& pairs() const { return pairs_; }
  Summary summary() const;
  /// -1 when there is none of that name.
  int row_of(const std::string& name) const;

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 Q_SIGNALS:
  void renamed(const std::string& from, const std::string& to);

 private:
  void take_pairs();
  void measure();

  Workspace& workspace_;
  std::vector<Pair> pairs_;
};

}  // namespace gigawarp::ui
