#pragma once
#include <QObject>
#include <QTimer>
#include <array>

#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// What a person does by hand, as lines for the log, each in the words of the job or of a command
/// that does the same: the alignment, landmarks, and whatever is written or judged. A gesture is
/// one line, once it has come to rest.
class HandLog final : public QObject {
  Q_OBJECT
 public:
  explicit HandLog(Workspace& workspace, QObject* parent = nullptr);

  /// A line of anybody else's, as of an export.
  void say(const QString& line);

 Q_SIGNALS:
  void logged(const QString& line);

 private:
  void look();
  void tell_file(LayerRole role);
  void tell_part(LayerRole role);
  void tell_names(LayerRole role);
  void tell_landmarks(const LandmarkSides& now);

  Workspace& workspace_;
  QTimer rest_;
  Affine alignment_;
  LandmarkSides landmarks_;
  std::array<QString, kLayerRoles> files_, names_;  ///< as last told
  std::array<QString, 2> part_files_;               ///< of the fixed and of the moving image
  std::array<ImageSelection, 2> parts_;             ///< that were shown of them
};

}  // namespace gigawarp::ui
