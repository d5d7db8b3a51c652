#include <QAccessible>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QFileDialog>
#include <QListView>
#include <QPointer>
#include <QScrollArea>
#include <QSettings>
#include <QSpinBox>
#include <QStandardItemModel>
#include <QStyleOption>
#include <QTreeView>
#include <QVBoxLayout>
#include <ctime>
#include <filesystem>
#include <set>

#include "support/test_data.h"
#include "ui/models/memory_kills.h"
#include "ui/views/settings_dialog.h"
#include "ui/views/style.h"
#include "ui/views/theme.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

/// From a fresh window to a judged warp, as somebody does who has never seen it.
class FirstUse : public test::WindowTest {
 protected:
  void SetUp() override {
    QSettings().clear();
    test::WindowTest::SetUp();
    window->resize(1440, 900);
  }
  void TearDown() override {
    test::WindowTest::TearDown();
    QSettings().clear();
  }
  void click(QWidget* widget) {
    ASSERT_NE(widget, nullptr);
    ASSERT_TRUE(widget->isVisible() && widget->isEnabled()) << widget->objectName().toStdString();
    QTest::mouseClick(widget, Qt::LeftButton);
    ++clicks_;
  }
  /// A file of the dialog that has just opened: its row, then Open.
  void choose(const QString& path) {
    auto* dialog = window->findChild<QFileDialog*>();
    ASSERT_NE(dialog, nullptr);
    auto* list = dialog->findChild<QListView*>(QStringLiteral("listView"));
    ASSERT_NE(list, nullptr);
    const QString name = QFileInfo(path).fileName();
    QModelIndex index;
    ASSERT_TRUE(wait_until([&] {
      const QAbstractItemModel* model = list->model();
      for (int row = 0; row < model->rowCount(list->rootIndex()); ++row)
        if (model->index(row, 0, list->rootIndex()).data().toString() == name)
          index = model->index(row, 0, list->rootIndex());
      return index.isValid();
    })) << name.toStdString();
    list->scrollTo(index);
    QTest::mouseClick(list->viewport(), Qt::LeftButton, Qt::NoModifier,
                      list->visualRect(index).center());
    ++clicks_;
    for (QPushButton* button : dialog->findChildren<QPushButton*>())
      if (button->isVisible() && button->isDefault()) return click(button);
    FAIL() << "the dialog has no button to open with";
  }
  /// The button of the sentence that says what to do next.
  void follow_advice(const char* word) {
    auto* button = find<QPushButton>("next_button");
    ASSERT_TRUE(wait_until(
        [&] {
          return find<QLabel>("next_step")->text().contains(QLatin1String(word)) &&
                 button->isVisible() && button->isEnabled();
        },
        60000))
        << find<QLabel>("next_step")->text().toStdString();
    click(button);
  }
  void wait_results() {
    ASSERT_TRUE(
        wait_until([&] { return window->results().state() == ui::Results::State::ready; }, 900000))
        << window->run().verdict().toStdString() << window->results().problem().toStdString();
    ASSERT_TRUE(wait_until([this] { return window->is_drawn(); }, 120000));
  }
  /// A real pair where there is one, beside nothing that must stay clean.
  void put_pair(const std::filesystem::path& folder) {
    const auto data = test::test_data();
    const auto copy = [&](const std::filesystem::path& from, const char* name) {
      std::filesystem::copy_file(from, folder / name);
      return QString::fromStdString((folder / name).string());
    };
    if (data && std::filesystem::exists(*data / "bench/T1_head_2mm.nii.gz")) {
      fixed_ = copy(*data / "bench/MNI152_T1_2mm.nii.gz", "atlas.nii.gz");
      moving_ = copy(*data / "bench/T1_head_2mm.nii.gz", "head.nii.gz");
    } else {
      fixed_ = copy(small_pair().path("fixed.nii.gz").toStdString(), "atlas.nii.gz");
      moving_ = copy(small_pair().path("moving.nii.gz").toStdString(), "head.nii.gz");
    }
    // Dialogs open where the last file was, here where a person keeps the data.
    QSettings().setValue("folder", QString::fromStdString(folder.string()));
  }

  int clicks_ = 0;
  QString fixed_, moving_;
};

TEST_F(FirstUse, theMadeUpPairIsJudgedAfterThreeClicks) {
  click(find<QPushButton>("empty_demo"));
  follow_advice("start");
  wait_results();
  click(find<QPushButton>("next_worst_button"));
  EXPECT_TRUE(find<QLabel>("worst_text")->text().contains("1 of"));
  EXPECT_FALSE(find<QLabel>("next_step")->isVisible());
  EXPECT_EQ(clicks_, 3);
}

TEST_F(FirstUse, twoFilesAreJudgedInFewerThanTenClicks) {
  const test::TemporaryFolder folder;
  put_pair(folder.path());
  click(find<QPushButton>("empty_open_fixed"));
  choose(fixed_);
  follow_advice("moving");
  choose(moving_);
  follow_advice("start");
  wait_results();
  click(find<QPushButton>("next_worst_button"));
  EXPECT_TRUE(find<QLabel>("worst_text")->text().contains("1 of"));
  EXPECT_LT(clicks_, 10);
  std::cout << "clicks from an empty window to the worst place of a pair of files: " << clicks_
            << "\n";
}

TEST_F(FirstUse, keysAloneLoadStartAndJudge) {
  const test::TemporaryFolder folder;
  put_pair(folder.path());
  const auto open = [&](Qt::Key key, const QString& path) {
    QTest::keyClick(window.get(), key, Qt::ControlModifier);
    QPointer<QFileDialog> dialog = window->findChild<QFileDialog*>();
    ASSERT_NE(dialog, nullptr);
    ASSERT_TRUE(wait_until([&] { return dialog->focusWidget() != nullptr; }));
    QApplication::setActiveWindow(dialog);
    QGuiApplication::clipboard()->setText(path);
    QTest::keyClick(dialog->focusWidget(), Qt::Key_V, Qt::ControlModifier);
    // Once more where the dialog had not read the folder yet.
    for (int i = 0; i < 20 && dialog != nullptr && dialog->isVisible(); ++i) {
      QTest::keyClick(dialog->focusWidget(), Qt::Key_Return);
      QTest::qWait(250);
    }
    ASSERT_TRUE(wait_until([&] { return dialog == nullptr; }));
    QApplication::setActiveWindow(window.get());  // as window managers do
  };
  open(Qt::Key_O, fixed_);
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  open(Qt::Key_M, moving_);
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  ASSERT_TRUE(wait_until([&] { return window->actions_table()["start"]->isEnabled(); }, 60000));
  QTest::keyClick(window.get(), Qt::Key_F5);
  ASSERT_TRUE(window->run().is_active());
  wait_results();
  const Vec3 before = workspace().view().cursor_mm;
  QTest::keyClick(window.get(), Qt::Key_N);
  EXPECT_NE(workspace().view().cursor_mm, before);
  QTest::keyClick(window.get(), Qt::Key_J);
  EXPECT_EQ(workspace().display().map, ui::MapChoice::jacobian);
}

TEST_F(FirstUse, tabGoesThroughThePanelsAndComesBack) {
  load_pair();
  ASSERT_TRUE(wait_until([&] { return window->actions_table()["start"]->isEnabled(); }, 60000));
  QTest::keyClick(window.get(), Qt::Key_2, Qt::ControlModifier);  // the Register panel
  QWidget* first = window->focusWidget();
  ASSERT_NE(first, nullptr);
  std::set<QString> seen;
  std::set<const QWidget*> visited;
  QWidget* now = first;
  constexpr int kMostStops = 120;
  int stops = 0;
  do {
    visited.insert(now);
    seen.insert(now->objectName());
    QTest::keyClick(now, Qt::Key_Tab);
    now = window->focusWidget();
    ASSERT_NE(now, nullptr);
    EXPECT_TRUE(now->isVisible()) << now->objectName().toStdString();
  } while (now != first && ++stops < kMostStops);
  EXPECT_EQ(now, first) << "Tab is caught at " << now->objectName().toStdString();
  for (const char* name : {"preset", "stages", "metric", "start_from", "output_folder", "layers",
                           "start_button", "copy_command", "view_axial", "brain_view", "readout"})
    EXPECT_TRUE(seen.contains(QLatin1String(name))) << name;
}

/// What a screen reader calls it.
QString spoken_name(QWidget* widget) {
  QAccessibleInterface* accessible = QAccessible::queryAccessibleInterface(widget);
  return accessible == nullptr ? QString() : accessible->text(QAccessible::Name);
}

/// Of each control that the Tab key reaches, also in panels that are hidden now.
QStringList nameless(QWidget* parent) {
  QStringList list;
  for (QWidget* widget : parent->findChildren<QWidget*>()) {
    if (!(widget->focusPolicy() & Qt::TabFocus) || widget->focusProxy() != nullptr) continue;
    if (widget->inherits("QTabBar") || widget->inherits("QScrollArea")) continue;  // of their pages
    if (widget->inherits("QComboBoxListView")) continue;  // the popup of a box, which speaks for it
    // The editor inside a spin box or combo box speaks for it.
    if (widget->parentWidget()->inherits("QAbstractSpinBox") ||
        widget->parentWidget()->inherits("QComboBox") ||
        widget->parentWidget()->inherits("QKeySequenceEdit"))
      continue;
    if (spoken_name(widget).trimmed().isEmpty())
      list << QStringLiteral("%1 \"%2\" in %3")
                  .arg(QLatin1String(widget->metaObject()->className()), widget->objectName(),
                       widget->parentWidget()->objectName());
  }
  return list;
}

TEST_F(FirstUse, whatTheWindowSaysIsSeen) {
  load_pair();
  const auto* line = find<QLabel>("message");
  const QString sentence = QStringLiteral("The session \"<b>.gigawarp\" could not be written.");
  Q_EMIT workspace().message(sentence);
  EXPECT_EQ(line->text(), sentence);
  EXPECT_TRUE(line->isVisible());
  const QRect place(line->mapTo(window.get(), QPoint()), line->size());
  EXPECT_TRUE(window->rect().contains(place));
  EXPECT_GE(line->width(), line->fontMetrics().horizontalAdvance(sentence));
  EXPECT_GE(line->height(), line->fontMetrics().height());
  const auto* readout = find<QLineEdit>("readout");
  EXPECT_TRUE(readout->isVisible());
  EXPECT_FALSE(readout->text().isEmpty());
  Q_EMIT workspace().message(sentence.repeated(20));
  EXPECT_LT(line->text().size(), sentence.size() * 20);
  EXPECT_EQ(line->toolTip().count(QStringLiteral("written")), 20);
}

TEST_F(FirstUse, aSmallScreenHoldsTheWindowAndNothingIsCut) {
  load_pair();
  window->resize(1024, 640);
  QApplication::processEvents();
  EXPECT_EQ(window->size(), QSize(1024, 640));
  for (const char* name : {"dock_register", "dock_results", "dock_landmarks", "dock_runs"}) {
    find<QDockWidget>(name)->raise();
    QApplication::processEvents();
    for (const QScrollArea* area : find<QDockWidget>(name)->findChildren<QScrollArea*>())
      EXPECT_LE(area->widget()->width(), area->viewport()->width()) << name;
  }
}

TEST_F(FirstUse, closedImagesLeaveNoReadout) {
  load_pair();
  EXPECT_TRUE(find<QLineEdit>("readout")->text().contains("Fixed image"));
  workspace().close_layer(LayerRole::moving);
  workspace().close_layer(LayerRole::fixed);
  EXPECT_EQ(find<QLineEdit>("readout")->text(), "");
}

TEST_F(FirstUse, everyControlHasANameForScreenReaders) {
  load_pair();
  EXPECT_EQ(nameless(window.get()).join("\n").toStdString(), "");
  ui::SettingsDialog settings;
  EXPECT_EQ(nameless(&settings).join("\n").toStdString(), "");
}

TEST_F(FirstUse, whatIsDoneByHandStandsInTheLog) {
  load_pair();
  const auto log = [&] { return find<QPlainTextEdit>("run_log")->toPlainText(); };
  EXPECT_TRUE(log().contains("opened  (register --fixed " + small_pair().path("fixed.nii.gz")))
      << log().toStdString();
  Affine shift;
  shift.offset = {1.5, -2, 3};
  workspace().change_alignment(shift, "moved");
  ASSERT_TRUE(wait_until([&] { return log().contains("1.5 -2 3"); })) << log().toStdString();
  key(Qt::Key_L);
  ASSERT_TRUE(wait_until([&] { return log().contains("landmark P1: fixed"); }));
  key(Qt::Key_H);
  ASSERT_TRUE(wait_until([&] { return log().contains("held out"); }));
  QTest::keyClick(window.get(), Qt::Key_Delete, Qt::ControlModifier);
  ASSERT_TRUE(wait_until([&] { return log().contains("landmark P1: removed"); }));
  workspace().open_as(LayerRole::fixed_landmarks, small_pair().path("landmarks_fixed.csv"));
  workspace().open_as(LayerRole::moving_landmarks, small_pair().path("landmarks_moving.csv"));
  ASSERT_TRUE(wait_until([&] { return log().contains("register --landmarks"); }));
  EXPECT_FALSE(log().contains("landmark L"));  // files are one line, not one for each mark
  workspace().change_alignment({}, "forgotten");
  ASSERT_TRUE(wait_until([&] { return log().contains("forgotten"); }));
}

/// The strongest contrast of any pixel of a part of a widget with the colour beside the widget.
double strongest(const QImage& picture, const QRect& where, const QColor& ground) {
  double most = 1;
  for (int y = where.top(); y <= where.bottom(); ++y)
    for (int x = where.left(); x <= where.right(); ++x)
      if (picture.rect().contains(x, y))
        most = std::max(most, ui::contrast(picture.pixelColor(x, y), ground));
  return most;
}

/// Both appearances, one after the other.
void in_both_appearances(const std::function<void(const char*)>& look) {
  for (const char* theme : {"light", "dark"}) {
    QSettings().setValue("theme", theme);
    ui::apply_theme();
    look(theme);
  }
  QSettings().clear();
  ui::apply_theme();
}

TEST(Appearance, outlinesOfControlsStandOutInLightAndDark) {
  in_both_appearances([](const char* theme) {
    QWidget page;
    auto* column = new QVBoxLayout(&page);
    auto* box = new QCheckBox(&page);
    auto* ticked = new QCheckBox(&page);
    ticked->setChecked(true);
    auto* line = new QLineEdit(&page);
    auto* combo = new QComboBox(&page);
    auto* spin = new QSpinBox(&page);
    auto* button = new QPushButton(&page);
    auto* tree = new QTreeView(&page);
    QStandardItemModel model;
    auto* item = new QStandardItem;
    item->setCheckable(true);
    model.appendRow(item);
    tree->setModel(&model);
    tree->setHeaderHidden(true);
    tree->setRootIsDecorated(false);
    for (QWidget* widget : std::initializer_list<QWidget*>{box, ticked, line, combo, spin, button})
      column->addWidget(widget);
    column->addWidget(tree);
    page.resize(240, 360);
    page.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&page));
    page.setFocus();
    const QImage picture = page.grab().toImage();
    const QColor window = page.palette().color(QPalette::Window);
    constexpr double kWanted = 3;  // WCAG 2.1, 1.4.11
    for (QCheckBox* check : {box, ticked}) {
      QStyleOptionButton option;
      option.initFrom(check);
      const QRect mark =
          check->style()->subElementRect(QStyle::SE_CheckBoxIndicator, &option, check);
      EXPECT_GE(strongest(picture, mark.translated(check->pos()), window), kWanted)
          << theme << " check box";
    }
    for (QWidget* widget : std::initializer_list<QWidget*>{line, combo, spin, button}) {
      const QRect rect = widget->geometry();
      const QRect left(rect.left(), rect.center().y(), 3, 1);
      EXPECT_GE(strongest(picture, left, window), kWanted)
          << theme << " " << widget->metaObject()->className();
    }
    const QRect row = tree->visualRect(model.index(0, 0));
    const QPoint corner = tree->viewport()->mapTo(&page, row.topLeft());
    EXPECT_GE(strongest(picture, QRect(corner, QSize(20, row.height())),
                        tree->palette().color(QPalette::Base)),
              kWanted)
        << theme << " box in a list";
  });
}

TEST(Appearance, wordsCanBeReadInLightAndDark) {
  in_both_appearances([](const char* theme) {
    const QPalette p = QApplication::palette();
    const std::pair<QPalette::ColorRole, QPalette::ColorRole> pairs[] = {
        {QPalette::WindowText, QPalette::Window},
        {QPalette::Text, QPalette::Base},
        {QPalette::Text, QPalette::AlternateBase},
        {QPalette::ButtonText, QPalette::Button},
        {QPalette::HighlightedText, QPalette::Highlight},
        {QPalette::PlaceholderText, QPalette::Base},
        {QPalette::Link, QPalette::Window},
        {QPalette::ToolTipText, QPalette::ToolTipBase}};
    constexpr double kWanted = 4.5;  // WCAG 2.1, 1.4.3
    for (const auto& [text, ground] : pairs)
      EXPECT_GE(ui::contrast(p.color(text), p.color(ground)), kWanted)
          << theme << " " << text << " on " << ground;
  });
}

TEST(Kills, areToldFromMemoryThatRanOutAsFarAsTheSystemSays) {
  EXPECT_EQ(ui::parse_memory_kills("pgfault 12\noom_kill 3\noom_kill_x 9\n"), 3U);
  EXPECT_FALSE(ui::parse_memory_kills("pgfault 12\n"));
  const QString not_by_the_kernel = ui::words_of_kill(3, 3, 0);
  EXPECT_TRUE(not_by_the_kernel.contains("no kill for want of memory"));
  EXPECT_TRUE(not_by_the_kernel.contains("systemd-oomd"));
  const QString out_of_memory = ui::words_of_kill(3, 4, quint64{5} << 30);
  EXPECT_TRUE(out_of_memory.contains("ran out of memory"));
  EXPECT_TRUE(out_of_memory.contains("5.00 GiB")) << out_of_memory.toStdString();
  EXPECT_TRUE(ui::words_of_kill({}, 4, 0).contains("killed from outside"));
}

/// GIGAWARP_BENCH=1: the time from the making of the window to its first picture; with the
/// program's own start ("gigawarp --version") it must be less than a second on an idle machine.
TEST(Start, theWindowIsUpInLessThanASecond) {
  if (std::getenv("GIGAWARP_BENCH") == nullptr) GTEST_SKIP() << "GIGAWARP_BENCH is not set";
  const auto used = [] { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  for (int i = 0; i < 3; ++i) {
    QElapsedTimer clock;
    clock.start();
    const double before = used();
    ui::MainWindow window;
    const qint64 made = clock.elapsed();
    window.show();
    ASSERT_TRUE(QTest::qWaitForWindowExposed(&window));
    window.grab();
    std::cout << "window " << i << ": made " << made << " ms, shown and painted " << clock.elapsed()
              << " ms, processor " << used() - before << " ms\n";
    EXPECT_LT(clock.elapsed(), 700);
  }
}

}  // namespace
}  // namespace gigawarp
