#pragma once
#include <QGridLayout>
#include <QLabel>
#include <QWidget>
#include <vector>

#include "ui/views/slice_view.h"

namespace gigawarp::ui {

enum class ViewLayout { four, one, three, columns };

/// The slice views in one of several layouts, all with one scale.
class ViewGrid final : public QWidget {
  Q_OBJECT
 public:
  ViewGrid(Workspace& workspace, render::RenderQueue& queue, QWidget* parent = nullptr);

  ViewLayout layout_kind() const { return kind_; }
  void set_layout(ViewLayout layout);
  /// The slice view that keys act on.
  SliceView* active() const { return active_; }
  /// What was used last: a slice view or the companion.
  QWidget* focus_view() const;
  void set_aligning(bool aligning);
  std::vector<SliceView*> shown() const;
  /// The widget in the fourth place of the layout of four; alone in the layout of one when it was
  /// used last.
  void set_companion(QWidget* companion);

 Q_SIGNALS:
  void hovered(const gigawarp::Vec3& world_mm);
  void left();  ///< the pointer is over no slice any more
  void layout_changed();

 protected:
  void resizeEvent(QResizeEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void place(SliceView* view, int row, int column, render::Plane plane, render::Content content);
  void share_scale();

  Workspace& workspace_;
  std::vector<SliceView*> views_;
  SliceView* active_ = nullptr;
  QWidget* companion_ = nullptr;
  bool companion_is_active_ = false;
  QGridLayout* grid_;
  ViewLayout kind_ = ViewLayout::four;
};

}  // namespace gigawarp::ui
