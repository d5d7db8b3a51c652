// Volumes behind addresses, through the real window and a web server of the test's own.
#include <QClipboard>
#include <QDropEvent>
#include <QInputDialog>
#include <QLineEdit>
#include <QMimeData>
#include <QProcess>
#include <QUrl>

#include "ui/watchdog.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

/// tests/support/http_server.py over a folder with a volume that has levels.
class Served {
 public:
  static constexpr std::int64_t kSize = 200;
  Served() {
    phantom::PhantomSpec spec;
    spec.size = {kSize, kSize, kSize};
    io::write_image(phantom::Phantom(spec).image(phantom::Side::fixed),
                    folder_.path() / "brain.ome.zarr");
  }
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

const Served& served() {
  static const Served made;
  return made;
}

class Remote : public test::WindowTest {
 protected:
  void SetUp() override {
    qputenv("GIGAWARP_NETWORK_TIMEOUT", "2");
    qputenv("no_proxy", "127.0.0.1");
    server_.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    server_.start("python3", {QStringLiteral(GIGAWARP_TEST_SERVER),
                              QString::fromStdString(served().folder().string())});
    if (!server_.waitForStarted()) GTEST_SKIP() << "there is no python3 for a web server";
    address_ = QStringLiteral("http://127.0.0.1:%1/brain.ome.zarr").arg(answer());
    WindowTest::SetUp();
  }
  void TearDown() override {
    WindowTest::TearDown();
    server_.closeWriteChannel();
    server_.waitForFinished();
  }
  QString answer() {
    while (!server_.canReadLine() && server_.waitForReadyRead(20000)) {
    }
    return QString::fromUtf8(server_.readLine()).trimmed();
  }
  /// A fault of the server's; see its head. Returns the requests so far.
  int rule(const QByteArray& line) {
    server_.write(line + "\n");
    return answer().toInt();
  }
  const ui::Layer& fixed() { return workspace().layers().layer(LayerRole::fixed); }

  QProcess server_;
  QString address_;
};

TEST_F(Remote, aVolumeIsOpenedByItsAddressAndStreams) {
  test::Watchdog watchdog;
  window->actions_table()["open_address"]->trigger();
  auto* dialog = find<QInputDialog>("address_dialog");
  ASSERT_NE(dialog, nullptr);
  dialog->setTextValue(address_ + "/");
  dialog->accept();
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  EXPECT_EQ(fixed().path, address_);
  ASSERT_NE(fixed().stream, nullptr);
  ASSERT_TRUE(wait_drawn());
  EXPECT_GT(drawn_pixels(view("view_axial")->picture()), 2000);
  EXPECT_TRUE(fixed().stream->problems().empty());
  const QImage remote = view("view_axial")->picture();
  workspace().open_as(LayerRole::fixed, test::path_in(served().folder(), "brain.ome.zarr"));
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_TRUE(wait_drawn());
  EXPECT_LT(difference(remote, view("view_axial")->picture()), 0.02);
}

TEST_F(Remote, addressesArePastedAndDropped) {
  auto* data = new QMimeData;
  data->setText("  " + address_ + "\n");
  QGuiApplication::clipboard()->setMimeData(data);
  window->actions_table()["paste"]->trigger();
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  EXPECT_EQ(fixed().path, address_);
  QMimeData dragged;
  dragged.setUrls({QUrl(address_)});
  QDragEnterEvent enter({5, 5}, Qt::CopyAction, &dragged, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(window.get(), &enter);
  QDropEvent drop(QPointF(5, 5), Qt::CopyAction, &dragged, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(window.get(), &drop);
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).path, address_);
  const JobSpec job = window->jobs().job_for(workspace());
  EXPECT_EQ(job.fixed.front(), address_.toStdString());
}

TEST_F(Remote, aSessionKeepsTheAddress) {
  workspace().open({address_});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  const test::TemporaryFolder folder;
  const QString session = test::path_in(folder.path(), "kept.gigawarp");
  window->session().save(session);
  ASSERT_TRUE(wait_until([&] { return QFile::exists(session); }));
  new_window();
  const auto said = messages();
  workspace().open({session});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  EXPECT_EQ(fixed().path, address_);
  ASSERT_TRUE(wait_drawn());
  EXPECT_FALSE(said->join(' ').contains("changed")) << said->join(' ').toStdString();
}

TEST_F(Remote, whatIsNotThereIsToldInASentence) {
  const auto said = messages();
  workspace().open({address_ + "x"});
  ASSERT_TRUE(wait_until([&] { return !said->isEmpty(); }));
  EXPECT_TRUE(said->join(' ').contains("leads to no volume")) << said->join(' ').toStdString();
  EXPECT_EQ(fixed().state, ui::Layer::State::failed);
}

TEST_F(Remote, aServerThatFailsInTheMiddleIsNamedAndTheSessionGoesOn) {
  rule("500 1000000 /0/\\d");
  const auto said = messages();
  workspace().open({address_});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));  // the overview is level 1
  ASSERT_TRUE(wait_until([&] { return said->join(' ').contains("the server fails (500)"); }, 60000))
      << said->join(' ').toStdString();
  rule("clear");
  workspace().close_layer(LayerRole::fixed);
  workspace().open({address_});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  ASSERT_TRUE(wait_drawn());
  EXPECT_TRUE(fixed().stream->problems().empty());
}

TEST_F(Remote, nobodyWaitsForASilentServer) {
  qputenv("GIGAWARP_NETWORK_TIMEOUT", "60");
  rule("silent 1000000 brain");
  test::Watchdog watchdog;
  workspace().open({address_});
  QTest::qWait(500);
  EXPECT_EQ(fixed().state, ui::Layer::State::loading);
  workspace().close_layer(LayerRole::fixed);
  rule("clear");
  // Loads that were given up hold no thread that the next one needs.
  QElapsedTimer clock;
  clock.start();
  for (int i = 0; i < 3; ++i) {
    rule("silent 1000000 brain");
    workspace().open_as(LayerRole::moving, address_);
    QTest::qWait(200);
  }
  rule("clear");
  workspace().open_as(LayerRole::moving, address_);
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  rule("silent 1000000 /0/\\d");
  workspace().use_cache_mib(64);
  clock.restart();
  window.reset();  // with bricks on their way
  EXPECT_LT(clock.elapsed(), 10000);
}

}  // namespace
}  // namespace gigawarp
