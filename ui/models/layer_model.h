#pragma once
#include <QAbstractTableModel>

#include "ui/models/layer.h"

namespace gigawarp::ui {

/// The layers of the workspace as a table: one row per role, loaded or not; columns are what it is,
/// with a box for its visibility, and the file.
class LayerModel : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { name_column, file_column, column_count };

  explicit LayerModel(QObject* parent = nullptr);

  const Layer& layer(LayerRole role) const { return layers_[index_of(role)]; }
  /// Replaces a layer and tells everyone.
  void set_layer(LayerRole role, Layer layer);
  /// The same layer has more to say about itself.
  void announce(LayerRole role);
  bool is_ready(LayerRole role) const { return layer(role).state == Layer::State::ready; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  bool setData(const QModelIndex& index, const QVariant& value, int role) override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
  Qt::ItemFlags flags(const QModelIndex& index) const override;

 Q_SIGNALS:
  void visibility_toggled(gigawarp::ui::LayerRole role);  ///< by a person, in the list
  void layer_changed(gigawarp::ui::LayerRole role);

 private:
  static std::size_t index_of(LayerRole role) { return static_cast<std::size_t>(role); }
  std::array<Layer, kLayerRoles> layers_;
};

}  // namespace gigawarp::ui
