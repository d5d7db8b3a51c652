#pragma once
#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QDragEnterEvent>
#include <QElapsedTimer>
#include <QFile>
#include <QFileDialog>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QUrl>
#include <functional>
#include <memory>

#include "io/image_io.h"
#include "phantom/phantom.h"
#include "support/pictures.h"
#include "support/temporary_folder.h"
#include "ui/views/main_window.h"

namespace gigawarp::test {

/// Runs the event loop until `done` or the time is up; true when done. The time is for a machine
/// that is busy with other things: nothing waits longer than it has to.
inline bool wait_until(const std::function<bool()>& done, int milliseconds = 60000) {
  return QTest::qWaitFor(done, milliseconds);
}

inline QString path_in(const std::filesystem::path& folder, const char* name) {
  return QString::fromStdString((folder / name).string());
}

/// A phantom pair written once per process.
class PhantomFiles {
 public:
  explicit PhantomFiles(std::int64_t size) {
    phantom::PhantomSpec spec;
    spec.size = {size, size, size};
    const phantom::Phantom pair(spec);
    io::write_image(pair.image(phantom::Side::fixed), folder_.path() / "fixed.nii.gz");
    io::write_image(pair.image(phantom::Side::moving), folder_.path() / "moving.nii.gz");
    io::write_image(pair.labels(phantom::Side::fixed), folder_.path() / "fixed_labels.nii.gz");
    io::write_image(pair.labels(phantom::Side::moving), folder_.path() / "moving_labels.nii.gz");
    std::vector<io::Landmark> fixed, moving;
    for (const phantom::PhantomLandmark& mark : pair.landmarks()) {
      fixed.push_back({mark.name, mark.fixed_mm});
      moving.push_back({mark.name, mark.moving_mm});
    }
    io::write_landmarks(fixed, folder_.path() / "landmarks_fixed.csv");
    io::write_landmarks(moving, folder_.path() / "landmarks_moving.csv");
  }
  QString path(const char* name) const { return path_in(folder_.path(), name); }
  QStringList pair() const { return {path("fixed.nii.gz"), path("moving.nii.gz")}; }

 private:
  TemporaryFolder folder_;
};

inline const PhantomFiles& small_pair() {
  static const PhantomFiles files(48);
  return files;
}

/// The real window on the offscreen platform.
class WindowTest : public testing::Test {
 protected:
  void SetUp() override {
    window = std::make_unique<ui::MainWindow>();
    window->show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(window.get()));
  }
  void TearDown() override { window.reset(); }
  /// As if the program had been closed and started again.
  void new_window() {
    window.reset();
    WindowTest::SetUp();
    window->resize(1440, 900);
  }

  ui::Workspace& workspace() { return window->workspace(); }
  bool wait_drawn() {
    return wait_until([this] { return window->is_drawn(); });
  }
  bool wait_loaded(std::initializer_list<ui::LayerRole> roles) {
    return wait_until([&] {
      for (const ui::LayerRole role : roles)
        if (!workspace().layers().is_ready(role)) return false;
      return true;
    });
  }
  void load_pair() {
    workspace().open(small_pair().pair());
    ASSERT_TRUE(wait_loaded({ui::LayerRole::fixed, ui::LayerRole::moving}));
    ASSERT_TRUE(wait_drawn());
  }
  /// Files dropped on a widget, as a file manager does it.
  void drop(QWidget* target, const QStringList& paths, const QPointF& at = {20, 20}) {
    QMimeData data;
    QList<QUrl> urls;
    for (const QString& path : paths) urls << QUrl::fromLocalFile(path);
    data.setUrls(urls);
    QDragEnterEvent enter(at.toPoint(), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(target, &enter);
    QDropEvent event(at, Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(target, &event);
  }
  /// The sentences that the window says from now on.
  std::shared_ptr<QStringList> messages() {
    auto list = std::make_shared<QStringList>();
    QObject::connect(&workspace(), &ui::Workspace::message, window.get(),
                     [list](const QString& text) { *list << text; });
    return list;
  }
  template <class T>
  T* find(const char* name) {
    return window->findChild<T*>(QLatin1String(name));
  }
  ui::SliceView* view(const char* name) { return find<ui::SliceView>(name); }
  /// A key on the view that has the focus.
  void key(Qt::Key k, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
    QTest::keyClick(window->views().active(), k, modifiers);
  }

  /// Answers a question with the button that agrees.
  static void press_accept(QMessageBox* question) {
    for (QAbstractButton* button : question->buttons())
      if (question->buttonRole(button) == QMessageBox::AcceptRole)
        QTest::mouseClick(button, Qt::LeftButton);
  }

  std::unique_ptr<ui::MainWindow> window;
};

/// Pixels of a picture that differ from the background.
inline int drawn_pixels(const QImage& picture) {
  int count = 0;
  for (int r = 0; r < picture.height(); ++r)
    for (int c = 0; c < picture.width(); ++c) count += qGray(picture.pixel(c, r)) > 40;
  return count;
}

}  // namespace gigawarp::test

// What every test of the window says.
namespace gigawarp {
using test::difference;
using test::drawn_pixels;
using test::small_pair;
using test::wait_until;
using ui::LayerRole;
}  // namespace gigawarp
