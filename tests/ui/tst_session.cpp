#include <QComboBox>
#include <QDialogButtonBox>
#include <QJsonArray>
#include <QJsonDocument>
#include <QKeySequenceEdit>
#include <QProcess>
#include <QSettings>
#include <QStandardPaths>
#include <QTableWidget>
#include <QTranslator>
#include <QTreeView>
#include <filesystem>

#include "ui/models/session_json.h"
#include "ui/views/settings_dialog.h"
#include "ui/views/translation.h"
#include "ui/window_fixture.h"

namespace gigawarp {
namespace {

class Session : public test::WindowTest {
 protected:
  /// A pair copied into a folder of its own, opened and set up.
  void set_up_work(const std::filesystem::path& folder) {
    for (const char* name : {"fixed.nii.gz", "moving.nii.gz", "fixed_labels.nii.gz"})
      std::filesystem::copy(small_pair().path(name).toStdString(), folder / name);
    workspace().open({test::path_in(folder, "fixed.nii.gz"), test::path_in(folder, "moving.nii.gz"),
                      test::path_in(folder, "fixed_labels.nii.gz")});
    ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving, LayerRole::fixed_labels}));
    workspace().step(render::Plane::axial, 3);
    workspace().set_zoom(1.7);
    Affine shift;
    shift.offset = {4, 0, -2};
    workspace().set_alignment(shift);
    ui::DisplayState display;
    display.mode = render::CompareMode::difference;
    workspace().set_display(display);
    workspace().set_window(LayerRole::fixed, {10, 2000});
    ui::LayerLook look = workspace().look_of(LayerRole::moving);
    look.opacity = 0.7;
    workspace().change_looks({look}, "Opacity");
    window->jobs().set_preset("fast");
    ASSERT_TRUE(wait_drawn());
  }
  bool save(const QString& path) {
    bool saved = false;
    QObject::connect(&window->session(), &ui::Session::saved, window.get(), [&] { saved = true; });
    window->session().save(path);
    return wait_until([&] { return saved; });
  }
  /// The set-up work, saved at `path` and opened again after its moving image has gone.
  void open_without_moving_image(const std::filesystem::path& folder, const QString& path) {
    set_up_work(folder);
    ASSERT_TRUE(save(path));
    std::filesystem::remove(folder / "moving.nii.gz");
    new_window();
    workspace().open({path});
  }
};

TEST_F(Session, aMovedFolderOpensAsItWasSaved) {
  const test::TemporaryFolder folder;
  const std::filesystem::path first = folder.path() / "first", second = folder.path() / "second";
  std::filesystem::create_directory(first);
  set_up_work(first);
  const ui::ViewState looked = workspace().view();
  const QImage before = view("view_axial")->picture();
  ASSERT_TRUE(save(test::path_in(first, "work.gigawarp")));
  std::filesystem::rename(first, second);
  new_window();
  workspace().open({test::path_in(second, "work.gigawarp")});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving, LayerRole::fixed_labels}));
  ASSERT_TRUE(wait_drawn());
  EXPECT_EQ(workspace().view(), looked);
  EXPECT_EQ(workspace().alignment().offset, (Vec3{4, 0, -2}));
  EXPECT_EQ(workspace().layers().layer(LayerRole::fixed).window.high, 2000);
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).opacity, 0.7);
  EXPECT_EQ(window->jobs().preset(), "fast");
  EXPECT_LT(difference(before, view("view_axial")->picture()), 0.5);
}

/// The opacity of images was written, and unused, while one balance of the display was it.
TEST_F(Session, theBalanceOfAnOlderSessionBecomesOpacity) {
  const test::TemporaryFolder folder;
  set_up_work(folder.path());
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  ASSERT_TRUE(save(path));
  QFile file(path);
  ASSERT_TRUE(file.open(QIODevice::ReadOnly));
  QJsonObject json = QJsonDocument::fromJson(file.readAll()).object();
  file.close();
  QJsonObject display = json["display"].toObject(), layers = json["layers"].toObject();
  display["balance"] = 0.3;
  for (const QString& key : layers.keys()) {
    QJsonObject layer = layers[key].toObject();
    layer["opacity"] = 0.4;
    layers[key] = layer;
  }
  json["display"] = display;
  json["layers"] = layers;
  ASSERT_TRUE(file.open(QIODevice::WriteOnly));
  file.write(QJsonDocument(json).toJson());
  file.close();
  new_window();
  workspace().open({path});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving, LayerRole::fixed_labels}));
  EXPECT_DOUBLE_EQ(workspace().layers().layer(LayerRole::fixed).opacity, 1);
  EXPECT_DOUBLE_EQ(workspace().layers().layer(LayerRole::moving).opacity, 0.6);
  EXPECT_DOUBLE_EQ(workspace().layers().layer(LayerRole::fixed_labels).opacity, 0.4);
}

TEST_F(Session, aMissingFileIsNamedAndTheRestOpens) {
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  open_without_moving_image(folder.path(), path);
  ASSERT_TRUE(wait_loaded({LayerRole::fixed}));
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).state, ui::Layer::State::failed);
  EXPECT_TRUE(find<QLabel>("next_step")->text().contains("moving.nii.gz"));
}

QJsonObject read_session(const QString& path) {
  QFile file(path);
  EXPECT_TRUE(file.open(QIODevice::ReadOnly)) << path.toStdString();
  return QJsonDocument::fromJson(file.readAll()).object();
}

TEST_F(Session, whatIsMissingStaysInASessionThatIsSavedMeanwhile) {
  const test::TemporaryFolder folder, away;
  set_up_work(folder.path());
  const ui::ViewState looked = workspace().view();
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  ASSERT_TRUE(save(path));
  const std::vector<const char*> files{"fixed.nii.gz", "moving.nii.gz", "fixed_labels.nii.gz"};
  const auto move_files = [&](const std::filesystem::path& from, const std::filesystem::path& to) {
    for (const char* name : files) {
      std::filesystem::copy(from / name, to / name);
      std::filesystem::remove(from / name);
    }
  };
  move_files(folder.path(), away.path());
  const QJsonObject before = read_session(path);
  new_window();
  const auto said = messages();
  workspace().open({path});
  EXPECT_TRUE(find<QLabel>("next_step")->text().contains("open the session again"));
  // Elsewhere, so that its paths change.
  std::filesystem::create_directory(folder.path() / "sub");
  const QString again = test::path_in(folder.path() / "sub", "again.gigawarp");
  ASSERT_TRUE(save(again));
  EXPECT_TRUE(said->last().contains("could not be read") && said->last().contains("moving.nii.gz"))
      << said->last().toStdString();
  const auto part = [](const QJsonObject& json, const char* role, const char* key) -> QJsonValue {
    return json["layers"].toObject()[QLatin1String(role)].toObject()[QLatin1String(key)];
  };
  const QJsonObject after = read_session(again);
  for (const char* role : {"fixed", "moving", "fixed_labels"})
    for (const char* key : {"absolute", "opacity", "window", "sha256"}) {
      ASSERT_FALSE(part(before, role, key).isUndefined()) << role << " " << key;
      EXPECT_EQ(part(after, role, key), part(before, role, key)) << role << " " << key;
    }
  EXPECT_EQ(part(after, "moving", "path"), "../moving.nii.gz");
  move_files(away.path(), folder.path());
  new_window();
  workspace().open({again});
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving, LayerRole::fixed_labels}));
  EXPECT_EQ(workspace().layers().layer(LayerRole::fixed).window.high, 2000);
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).opacity, 0.7);
  EXPECT_EQ(workspace().view(), looked);
}

TEST_F(Session, aMissingFileThatIsClosedIsForgotten) {
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  open_without_moving_image(folder.path(), path);
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::fixed_labels}));
  workspace().close_layer(LayerRole::moving);
  QCoreApplication::processEvents();
  ASSERT_TRUE(save(path));
  EXPECT_FALSE(read_session(path)["layers"].toObject().contains("moving"));
  workspace().open_as(LayerRole::moving, small_pair().path("moving.nii.gz"));
  ASSERT_TRUE(wait_loaded({LayerRole::moving}));
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).opacity, 1) << "the looks were its own";
}

TEST_F(Session, resultsThatAreMissingAreToldAndStay) {
  const test::TemporaryFolder folder;
  set_up_work(folder.path());
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  ASSERT_TRUE(save(path));
  QJsonObject json = read_session(path);
  json["result"] = "run";
  json["result_absolute"] = test::path_in(folder.path(), "run");
  QFile file(path);
  ASSERT_TRUE(file.open(QIODevice::WriteOnly));
  file.write(QJsonDocument(json).toJson());
  file.close();
  new_window();
  const auto said = messages();
  workspace().open({path});
  EXPECT_TRUE(said->join('\n').contains("/run\" are missing")) << said->join('\n').toStdString();
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving, LayerRole::fixed_labels}));
  ASSERT_TRUE(save(path));
  EXPECT_EQ(read_session(path)["result"], "run");
}

TEST_F(Session, aChangedFileIsNoticed) {
  const test::TemporaryFolder folder;
  set_up_work(folder.path());
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  ASSERT_TRUE(save(path));
  std::filesystem::copy(folder.path() / "moving.nii.gz", folder.path() / "fixed.nii.gz",
                        std::filesystem::copy_options::overwrite_existing);
  new_window();
  QString message;
  QObject::connect(&workspace(), &ui::Workspace::message, window.get(), [&](const QString& text) {
    if (text.contains("has changed")) message = text;
  });
  workspace().open({path});
  ASSERT_TRUE(wait_until([&] { return message.contains("fixed.nii.gz"); }));
}

TEST_F(Session, aDamagedSessionIsRefusedInWords) {
  const test::TemporaryFolder folder;
  const QString path = test::path_in(folder.path(), "broken.gigawarp");
  QFile file(path);
  ASSERT_TRUE(file.open(QIODevice::WriteOnly));
  file.write("{\"gigawarp_session\": 1, \"lay");
  file.close();
  QString message;
  QObject::connect(&workspace(), &ui::Workspace::message, window.get(),
                   [&](const QString& text) { message = text; });
  workspace().open({path});
  EXPECT_TRUE(message.contains("broken.gigawarp"));
}

TEST_F(Session, workOfAProgramThatCrashedIsOfferedAgain) {
  const test::TemporaryFolder folder;
  set_up_work(folder.path());
  window->session().autosave();
  const QString data = QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
  const QString mine =
      QStringLiteral("%1/autosave-%2.gigawarp").arg(data).arg(QCoreApplication::applicationPid());
  ASSERT_TRUE(wait_until([&] { return QFile::exists(mine); }));
  ASSERT_TRUE(QFile::copy(mine, data + "/autosave-999999999.gigawarp"));  // nobody's number
  new_window();
  EXPECT_FALSE(QFile::exists(mine));  // ended in order
  QMessageBox* question = nullptr;
  ASSERT_TRUE(wait_until([&] {
    question = find<QMessageBox>("recover_question");
    return question != nullptr && question->isVisible();
  }));
  press_accept(question);
  ASSERT_TRUE(wait_loaded({LayerRole::fixed, LayerRole::moving}));
  EXPECT_EQ(workspace().alignment().offset, (Vec3{4, 0, -2}));
  EXPECT_FALSE(QFile::exists(data + "/autosave-999999999.gigawarp"));
}

TEST_F(Session, workThatIsRecoveredWithoutItsFilesIsNotLost) {
  const test::TemporaryFolder folder;
  set_up_work(folder.path());
  window->session().autosave();
  const QString data = QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
  const QString mine =
      QStringLiteral("%1/autosave-%2.gigawarp").arg(data).arg(QCoreApplication::applicationPid());
  ASSERT_TRUE(wait_until([&] { return QFile::exists(mine); }));
  const QString left = data + "/autosave-999999999.gigawarp";  // nobody's number
  ASSERT_TRUE(QFile::copy(mine, left));
  new_window();
  for (const char* name : {"fixed.nii.gz", "moving.nii.gz", "fixed_labels.nii.gz"})
    std::filesystem::remove(folder.path() / name);
  window->session().recover(left);
  EXPECT_EQ(workspace().layers().layer(LayerRole::moving).state, ui::Layer::State::failed);
  EXPECT_TRUE(QFile::exists(left)) << "whoever ends the program to mount a drive needs it";
  window->session().autosave();
  ASSERT_TRUE(wait_until([&] { return QFile::exists(mine); }));
  EXPECT_EQ(read_session(mine)["layers"], read_session(left)["layers"]);
  ASSERT_TRUE(save(test::path_in(folder.path(), "work.gigawarp")));
  EXPECT_FALSE(QFile::exists(left)) << "the session holds it now";
}

TEST_F(Session, landmarksAreDroppedInPairsAndUndone) {
  load_pair();
  view("view_axial")->setFocus();
  QTest::keyClick(view("view_axial"), Qt::Key_L);
  workspace().step(render::Plane::axial, 2);
  QTest::keyClick(view("view_axial"), Qt::Key_L);
  const auto& layers = workspace().layers();
  ASSERT_EQ(layers.layer(LayerRole::fixed_landmarks).landmarks.size(), 2U);
  ASSERT_EQ(layers.layer(LayerRole::moving_landmarks).landmarks.size(), 2U);
  EXPECT_EQ(layers.layer(LayerRole::fixed_landmarks).landmarks[1].position_mm,
            workspace().view().cursor_mm);
  QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
  EXPECT_EQ(layers.layer(LayerRole::moving_landmarks).landmarks.size(), 1U);
  QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
  EXPECT_EQ(layers.layer(LayerRole::moving_landmarks).landmarks.size(), 2U);
}

TEST_F(Session, closingAsksAboutWorkThatNoFileHolds) {
  const test::TemporaryFolder folder;
  load_pair();
  window->close();
  ASSERT_FALSE(window->isVisible()) << "nothing was done by hand";
  window->show();
  workspace().drop_landmark();
  window->close();
  auto* question = find<QMessageBox>("work_question");
  ASSERT_NE(question, nullptr);
  EXPECT_TRUE(window->isVisible());
  EXPECT_TRUE(question->text().contains("landmarks")) << question->text().toStdString();
  press_accept(question);
  auto* dialog = find<QFileDialog>("save_session_dialog");
  ASSERT_NE(dialog, nullptr);
  bool failed = false;
  QObject::connect(&window->session(), &ui::Session::not_saved, window.get(),
                   [&] { failed = true; });
  Q_EMIT dialog->fileSelected("/proc/work.gigawarp");  // cannot be: the window stays
  dialog->close();
  ASSERT_TRUE(wait_until([&] { return failed; }));
  EXPECT_TRUE(window->isVisible());
  EXPECT_EQ(window->session().path(), "");
  const QString path = test::path_in(folder.path(), "work.gigawarp");
  ASSERT_TRUE(save(path));
  EXPECT_TRUE(window->isVisible()) << "a later save must not close it";
  window->close();
  EXPECT_FALSE(window->isVisible()) << "all of it is in the session";
}

TEST_F(Session, anotherSessionIsNotOpenedOverWorkThatNoFileHolds) {
  const test::TemporaryFolder folder;
  load_pair();
  const QString path = test::path_in(folder.path(), "other.gigawarp");
  ASSERT_TRUE(save(path));
  workspace().drop_landmark();
  workspace().open({path});
  auto* question = find<QMessageBox>("work_question");
  ASSERT_NE(question, nullptr);
  EXPECT_EQ(workspace().landmarks()[0].size(), 1U);
  QTest::mouseClick(find<QPushButton>("leave_work_button"), Qt::LeftButton);
  EXPECT_EQ(workspace().landmarks()[0].size(), 0U);
  EXPECT_TRUE(window->isVisible());
}

TEST_F(Session, closingWithoutTheWorkIsPossibleAndSavedLandmarksAreInAFile) {
  const test::TemporaryFolder folder;
  load_pair();
  workspace().drop_landmark();
  bool saved = false;
  auto* panel = find<ui::LandmarkPanel>("landmark_panel");
  QObject::connect(panel, &ui::LandmarkPanel::saved, window.get(), [&] { saved = true; });
  QTest::mouseClick(find<QPushButton>("save_pairs"), Qt::LeftButton);
  auto* dialog = panel->findChild<QFileDialog*>();
  ASSERT_NE(dialog, nullptr);
  const QString path = test::path_in(folder.path(), "marks_fixed.csv");
  Q_EMIT dialog->fileSelected(path);
  dialog->close();
  ASSERT_TRUE(wait_until([&] { return saved; }));
  EXPECT_EQ(workspace().layers().layer(LayerRole::fixed_landmarks).path, path);
  const auto said = messages();
  std::filesystem::remove(path.toStdString());  // its fellow stays, and is not to be replaced
  workspace().drop_landmark();
  panel->save(path);
  EXPECT_TRUE(said->join(' ').contains("marks_moving.csv")) << said->join('\n').toStdString();
  EXPECT_FALSE(QFile::exists(path));
  Affine shift;
  shift.offset = {4, 0, -2};
  workspace().change_alignment(shift, "Move");
  window->close();
  auto* leave = find<QPushButton>("leave_work_button");
  ASSERT_NE(leave, nullptr);
  QTest::mouseClick(leave, Qt::LeftButton);
  EXPECT_FALSE(window->isVisible());
}

TEST_F(Session, theViewsGoBackToWhereTheyRested) {
  load_pair();
  QTest::qWait(800);
  const ui::ViewState first = workspace().view();
  workspace().step(render::Plane::axial, 5);
  QTest::qWait(800);
  QTest::keyClick(window.get(), Qt::Key_Left, Qt::AltModifier);
  EXPECT_EQ(workspace().view(), first);
  QTest::keyClick(window.get(), Qt::Key_Right, Qt::AltModifier);
  EXPECT_NE(workspace().view(), first);
}

TEST_F(Session, keysFollowThePresetAndTheUser) {
  load_pair();
  QTest::keyClick(window.get(), Qt::Key_Comma, Qt::ControlModifier);
  auto* dialog = find<ui::SettingsDialog>("settings_dialog");
  ASSERT_NE(dialog, nullptr);
  auto* preset = dialog->findChild<QComboBox*>("key_preset");
  preset->setCurrentText("3D Slicer");
  Q_EMIT preset->activated(preset->currentIndex());
  auto* table = dialog->findChild<QTableWidget*>("keys");
  for (int row = 0; row < table->rowCount(); ++row)
    if (ui::all_commands()[static_cast<std::size_t>(row)].id == "grid")
      static_cast<QKeySequenceEdit*>(table->cellWidget(row, 1))->setKeySequence(QKeySequence("J"));
  EXPECT_TRUE(dialog->findChild<QLabel*>("key_conflict")->text().contains("jacobian"));
  auto* buttons = dialog->findChild<QDialogButtonBox*>();
  QTest::mouseClick(buttons->button(QDialogButtonBox::Ok), Qt::LeftButton);
  EXPECT_EQ(window->actions_table()["next_slice"]->shortcut(), QKeySequence("F"));
  const Vec3 before = workspace().view().cursor_mm;
  view("view_axial")->setFocus();
  QTest::keyClick(view("view_axial"), Qt::Key_F);
  EXPECT_GT(workspace().view().cursor_mm[2], before[2]);
  QSettings().clear();
}

TEST_F(Session, panelsAreReachedAndWorkedByKeysAlone) {
  load_pair();
  QTest::keyClick(window.get(), Qt::Key_1, Qt::ControlModifier);
  auto* list = find<QTreeView>("layers");
  ASSERT_EQ(window->focusWidget(), list);
  list->setCurrentIndex(list->model()->index(0, 0));
  QTest::keyClick(list, Qt::Key_Space);
  EXPECT_FALSE(workspace().layers().layer(LayerRole::fixed).visible);
  EXPECT_TRUE(workspace().display().overlay);  // the key was the list's, not the shortcut
  view("view_axial")->setFocus();
  QTest::keyClick(view("view_axial"), Qt::Key_Space);
  EXPECT_FALSE(workspace().display().overlay);
  for (const auto& [key, dock] :
       {std::pair{Qt::Key_4, "dock_landmarks"}, std::pair{Qt::Key_5, "dock_runs"},
        std::pair{Qt::Key_3, "dock_results"}, std::pair{Qt::Key_2, "dock_register"}}) {
    QTest::keyClick(window.get(), key, Qt::ControlModifier);
    auto* panel = find<QDockWidget>(dock);
    EXPECT_TRUE(wait_until([&] { return panel->widget()->visibleRegion().rectCount() > 0; }))
        << dock;
  }
}

TEST_F(Session, everythingAPersonUsesHasANameForScreenReaders) {
  load_pair();
  for (QWidget* widget : window->findChildren<QWidget*>()) {
    if (!widget->isVisible() || widget->focusPolicy() == Qt::NoFocus) continue;
    const bool internal = widget->objectName().startsWith("qt_") ||
                          QString(widget->metaObject()->className()).startsWith("QTab") ||
                          QString(widget->metaObject()->className()).contains("ScrollArea") ||
                          QString(widget->metaObject()->className()).contains("Header");
    if (qobject_cast<QLabel*>(widget) != nullptr) continue;  // says its text
    const auto* button = qobject_cast<QAbstractButton*>(widget);
    if (internal || widget->parentWidget()->inherits("QAbstractSpinBox")) continue;
    EXPECT_TRUE(
        !widget->accessibleName().isEmpty() ||
        (button != nullptr && (!button->text().isEmpty() || !button->toolTip().isEmpty())) ||
        !widget->toolTip().isEmpty())
        << widget->metaObject()->className() << " " << widget->objectName().toStdString();
  }
}

TEST_F(Session, theWindowSpeaksALanguageThatIsInstalled) {
  QString compiler = QStandardPaths::findExecutable("lrelease");
  if (compiler.isEmpty())
    compiler = QStandardPaths::findExecutable("lrelease", {"/usr/lib/qt6/bin"});
  if (compiler.isEmpty()) GTEST_SKIP() << "lrelease is not installed (qt6-l10n-tools)";
  const test::TemporaryFolder folder;
  QFile source(test::path_in(folder.path(), "gigawarp_eo.ts"));
  ASSERT_TRUE(source.open(QIODevice::WriteOnly));
  source.write(
      "<?xml version=\"1.0\"?><TS version=\"2.1\" language=\"eo\"><context><name>Command</name>"
      "<message><source>&amp;Blend</source><translation>&amp;Kunfandi</translation></message>"
      "</context></TS>");
  source.close();
  ASSERT_EQ(QProcess::execute(compiler, {"-silent", source.fileName()}), 0);
  EXPECT_TRUE(ui::load_translation().isEmpty());
  qputenv("GIGAWARP_TRANSLATIONS", QByteArray::fromStdString(folder.path().string()));
  QSettings().setValue("language", "eo");
  EXPECT_TRUE(ui::load_translation().endsWith("gigawarp_eo.qm"));
  EXPECT_EQ(QCoreApplication::translate("Command", "&Blend"), "&Kunfandi");
  for (QTranslator* translator : qApp->findChildren<QTranslator*>()) delete translator;
  QSettings().clear();
  qunsetenv("GIGAWARP_TRANSLATIONS");
}

TEST(SessionJson, partsComeBackAsTheyWere) {
  ui::ViewState view;
  view.cursor_mm = {1.25, -2, 3};
  view.zoom = 2.5;
  view.neurological = true;
  EXPECT_EQ(ui::view_from(ui::to_json(view)), view);
  ui::DisplayState display;
  display.mode = render::CompareMode::edges;
  display.map = ui::MapChoice::local_ncc;
  display.swipe = 0.3;
  EXPECT_EQ(ui::display_from(ui::to_json(display)), display);
  Affine map;
  map.linear[0][1] = 0.1234567890123456;
  map.offset = {1, 2, 3};
  EXPECT_EQ(ui::affine_from(ui::to_json(map)), map);
  EXPECT_FALSE(ui::affine_from(QJsonValue("nonsense")));
}

}  // namespace
}  // namespace gigawarp
