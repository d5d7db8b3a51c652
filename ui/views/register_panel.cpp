#include "ui/views/register_panel.h"

#include <QClipboard>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QMessageBox>
#include <QSaveFile>
#include <QScrollArea>
#include <QVBoxLayout>

#include "gigawarp/error.h"
#include "io/transform_io.h"
#include "job/names.h"
#include "ui/views/list_parts.h"
#include "ui/views/stage_editor.h"

namespace gigawarp::ui {
namespace {

/// The alignment by hand is kept beside the folder of results, so that the job can be repeated.
constexpr const char* kStartSuffix = "_start.mat";

QString base_name(const QString& path) {
  constexpr int kLongest = 60;  // two of them, and what is put behind, are the name of a folder
  QString name = QFileInfo(path).fileName();
  return name.left(name.indexOf(QLatin1Char('.'))).left(kLongest);
}

}  // namespace

RegisterPanel::RegisterPanel(Workspace& workspace, JobModel& jobs, RunController& run,
                             QWidget* parent)
    : QWidget(parent), workspace_(workspace), jobs_(jobs), run_(run) {
  setObjectName(QStringLiteral("register_panel"));
  auto* scroll = new QScrollArea(this);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setWidgetResizable(true);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll->setWidget(make_job_rows());
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(6, 6, 6, 6);
  column->addWidget(scroll, 1);
  column->addWidget(make_buttons());
  connect(&jobs_, &JobModel::changed, this, &RegisterPanel::follow);
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &RegisterPanel::follow);
  connect(&workspace_, &Workspace::warp_changed, this, &RegisterPanel::follow);
  connect(&run_, &RunController::state_changed, this, &RegisterPanel::show_plan);
  connect(&plan_, &PlanModel::changed, this, &RegisterPanel::show_plan);
  connect(&plan_, &PlanModel::devices_found, this, [this] {
    const QString now = device_->currentText();
    updating_ = true;
    device_->clear();
    device_->addItems(plan_.devices());
    device_->setCurrentText(now);
    updating_ = false;
  });
  follow();
  show_plan();
}

QWidget* RegisterPanel::make_job_rows() {
  auto* page = new QWidget(this);
  auto* form = new QFormLayout(page);
  form->setContentsMargins(0, 0, 0, 0);
  form->setFieldGrowthPolicy(QFormLayout::ExpandingFieldsGrow);
  form->setRowWrapPolicy(QFormLayout::WrapLongRows);  // beside a scroll bar in a small window
  preset_ = new QComboBox(page);
  preset_->setObjectName(QStringLiteral("preset"));
  preset_->setAccessibleName(tr("Preset"));
  preset_->setToolTip(tr("Settings that suit a kind of pair"));
  for (const std::string& name : preset_names()) preset_->addItem(QString::fromStdString(name));
  preset_state_ = new QLabel(page);
  preset_state_->setWordWrap(true);
  form->addRow(tr("Preset"), preset_);
  form->addRow(preset_state_);
  form->addRow(new StageEditor(jobs_, page));
  start_from_ = new QComboBox(page);
  start_from_->setObjectName(QStringLiteral("start_from"));
  start_from_->setAccessibleName(tr("Initial alignment"));
  start_from_->setToolTip(tr("Where the first stage begins"));
  start_from_->addItems({tr("Automatic"), tr("What the files say"), tr("Centres"), tr("Moments"),
                         tr("Landmarks"), tr("The alignment by hand")});
  form->addRow(tr("Start from"), start_from_);
  fixed_nonzero_ = new QCheckBox(tr("only non-zero voxels of fixed"), page);
  moving_nonzero_ = new QCheckBox(tr("only non-zero voxels of moving"), page);
  fixed_nonzero_->setToolTip(tr("For brain-extracted images, in place of a mask file"));
  moving_nonzero_->setToolTip(fixed_nonzero_->toolTip());
  form->addRow(tr("Masks"), fixed_nonzero_);
  form->addRow(QString(), moving_nonzero_);
  device_ = new QComboBox(page);
  device_->setAccessibleName(tr("Device"));
  device_->addItems(plan_.devices());
  form->addRow(tr("Device"), device_);
  inverse_ = new QCheckBox(tr("also the inverse warp"), page);
  form->addRow(tr("Write"), inverse_);
  folder_ = new QLineEdit(page);
  folder_->setObjectName(QStringLiteral("output_folder"));
  folder_->setAccessibleName(tr("Folder for the results"));
  folder_->setToolTip(tr("Made when the run starts"));
  form->addRow(tr("Results in"), folder_);
  gate_ = new QLabel(page);
  gate_->setObjectName(QStringLiteral("gate"));
  gate_->setWordWrap(true);
  gate_->setTextFormat(Qt::RichText);
  gate_->setToolTip(tr(
      "What the run takes the images for; the letters say where each stored axis points. L and R "
      "in the views are drawn by the same geometry."));
  form->addRow(gate_);
  connect(preset_, &QComboBox::activated, this,
          [this] { jobs_.set_preset(preset_->currentText()); });
  for (QComboBox* box : {start_from_, device_})
    connect(box, &QComboBox::activated, this, &RegisterPanel::store);
  for (QCheckBox* box : {fixed_nonzero_, moving_nonzero_, inverse_})
    connect(box, &QCheckBox::clicked, this, &RegisterPanel::store);
  connect(folder_, &QLineEdit::editingFinished, this, &RegisterPanel::store);
  return page;
}

QWidget* RegisterPanel::make_buttons() {
  auto* page = new QWidget(this);
  auto* column = new QVBoxLayout(page);
  column->setContentsMargins(0, 0, 0, 0);
  plan_text_ = new QLabel(page);
  plan_text_->setObjectName(QStringLiteral("plan"));
  hold_names(*plan_text_);
  plan_text_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  column->addWidget(plan_text_);
  start_ = new QPushButton(tr("Start registration"), page);
  start_->setObjectName(QStringLiteral("start_button"));
  start_->setMinimumHeight(34);
  connect(start_, &QPushButton::clicked, this, &RegisterPanel::start);
  column->addWidget(start_);
  auto* row = new QHBoxLayout;
  const auto button = [&](const QString& text, const QString& help, const char* name, auto slot) {
    auto* b = new QPushButton(text, page);
    b->setObjectName(QLatin1String(name));
    b->setToolTip(help);
    connect(b, &QPushButton::clicked, this, slot);
    row->addWidget(b);
  };
  button(tr("Load job…"), tr("Settings and files from a job.json"), "load_job",
         &RegisterPanel::load_job);
  button(tr("Save job…"), tr("For gigawarp register --job"), "save_job", &RegisterPanel::save_job);
  button(tr("Copy command"), tr("A command line that does the same run"), "copy_command",
         &RegisterPanel::copy_command);
  column->addLayout(row);
  return page;
}

QString RegisterPanel::suggested_folder() const {
  const Layer& fixed = workspace_.layers().layer(LayerRole::fixed);
  const Layer& moving = workspace_.layers().layer(LayerRole::moving);
  if (fixed.path.isEmpty() || moving.path.isEmpty()) return {};
  const QFileInfo beside(QFileInfo(moving.path).absolutePath());
  const QString place = beside.isWritable() ? beside.filePath() : QDir::homePath();
  const QString stem = place + QLatin1Char('/') + base_name(moving.path) + QStringLiteral("_to_") +
                       base_name(fixed.path);
  QString folder = stem;
  for (int i = 2; QFileInfo::exists(folder); ++i) folder = QStringLiteral("%1_%2").arg(stem).arg(i);
  return folder;
}

JobSpec RegisterPanel::job() const {
  JobSpec job = jobs_.job_for(workspace_);
  if (job.output_directory.empty()) job.output_directory = suggested_folder().toStdString();
  const LayerModel& layers = workspace_.layers();
  for (const auto& [role, file] : {std::pair{LayerRole::fixed_landmarks, &job.fixed_landmarks},
                                   std::pair{LayerRole::moving_landmarks, &job.moving_landmarks}})
    if (layers.is_ready(role) && layers.layer(role).path.isEmpty())
      *file = job.output_directory + "_" + key_of(role) + ".csv";
  if (job.fixed_landmarks.empty() || job.moving_landmarks.empty()) {
    job.fixed_landmarks.clear();
    job.moving_landmarks.clear();
  }
  if (job.initialisation == Initialisation::transform && job.initial_transform.empty())
    job.initial_transform = job.output_directory + kStartSuffix;
  return job;
}

void RegisterPanel::follow() {
  updating_ = true;
  const JobSpec& common = jobs_.common();
  preset_->setCurrentText(jobs_.preset());
  preset_state_->setText(jobs_.is_changed() ? tr("changed; choose the preset again to go back")
                                            : QString());
  preset_state_->setVisible(jobs_.is_changed());
  start_from_->setCurrentIndex(static_cast<int>(common.initialisation));
  fixed_nonzero_->setChecked(common.fixed_mask == kNonZeroMask);
  moving_nonzero_->setChecked(common.moving_mask == kNonZeroMask);
  inverse_->setChecked(common.write_inverse);
  device_->setCurrentText(QString::fromStdString(common.device));
  if (!folder_->hasFocus())
    folder_->setText(common.output_directory.empty()
                         ? suggested_folder()
                         : QString::fromStdString(common.output_directory));
  updating_ = false;
  QString text = gate_table(workspace_);
  for (const GateFinding& finding : gate_findings(workspace_))
    text += QStringLiteral("<p style=\"margin:2px 0\">%1 %2</p>")
                .arg(finding.serious ? QStringLiteral("<b>⚠</b>") : QStringLiteral("ℹ"),
                     finding.sentence.toHtmlEscaped());
  gate_->setText(text);
  gate_->setVisible(!text.isEmpty());
  // Files that only Start writes are no part of the plan.
  JobSpec planned = jobs_.job_for(workspace_);
  planned.output_directory = job().output_directory;
  planned.initialisation = Initialisation::automatic;
  planned.initial_transform.clear();
  planned.fixed_landmarks.clear();
  planned.moving_landmarks.clear();
  plan_.ask(planned);
}

void RegisterPanel::store() {
  if (updating_) return;
  JobSpec common = jobs_.common();
  common.initialisation = static_cast<Initialisation>(start_from_->currentIndex());
  common.initial_transform.clear();
  common.fixed_mask = fixed_nonzero_->isChecked() ? kNonZeroMask : "";
  common.moving_mask = moving_nonzero_->isChecked() ? kNonZeroMask : "";
  common.write_inverse = inverse_->isChecked();
  common.device = device_->currentText().toStdString();
  const QString folder = folder_->text().trimmed();
  common.output_directory = folder == suggested_folder() ? "" : folder.toStdString();
  jobs_.set_common(common);
}

void RegisterPanel::show_plan() {
  const QString problem = plan_.problem();
  plan_text_->setText(problem.isEmpty() ? plan_.lines().join(QLatin1Char('\n')) : problem);
  start_->setEnabled(problem.isEmpty() && plan_.is_ready() && !run_.is_active());
  Q_EMIT can_start(start_->isEnabled());
}

/// What was made in the window and the run reads from files: alignment and landmarks.
void RegisterPanel::write_inputs(const JobSpec& spec) const {
  if (spec.initialisation == Initialisation::transform &&
      spec.initial_transform == spec.output_directory + kStartSuffix)
    io::write_affine(workspace_.alignment(), spec.initial_transform);
  for (const auto& [role, file] : {std::pair{LayerRole::fixed_landmarks, &spec.fixed_landmarks},
                                   std::pair{LayerRole::moving_landmarks, &spec.moving_landmarks}})
    if (const Layer& layer = workspace_.layers().layer(role);
        !file->empty() && layer.path.isEmpty())
      io::write_landmarks(layer.landmarks, *file);
}

/// Asks about what is seriously odd, once for each pair and finding.
bool RegisterPanel::passes_gate() {
  QString doubts;
  for (const GateFinding& finding : gate_findings(workspace_))
    if (finding.serious) doubts += finding.sentence + QLatin1Char('\n');
  if (doubts.isEmpty() || doubts == accepted_doubts_) return true;
  auto* question = new QMessageBox(QMessageBox::Warning, tr("Check the images first"),
                                   doubts.trimmed(), QMessageBox::Cancel, this);
  question->setObjectName(QStringLiteral("gate_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  QPushButton* anyway = question->addButton(tr("Start anyway"), QMessageBox::AcceptRole);
  connect(anyway, &QPushButton::clicked, this, [this, doubts] {
    accepted_doubts_ = doubts;
    start();
  });
  question->open();
  return false;
}

/// What is written beside the folder may be an earlier run's: only now is it to be replaced.
void RegisterPanel::launch(const JobSpec& spec, bool overwrite) {
  try {
    write_inputs(spec);
    run_.start(spec, overwrite);
  } catch (const Error& error) {
    Q_EMIT workspace_.message(QString::fromStdString(error.what()));
  }
}

void RegisterPanel::start() {
  if (!start_->isEnabled() || !passes_gate()) return;
  const JobSpec spec = job();
  const QString folder = QString::fromStdString(spec.output_directory);
  const bool occupied = QFileInfo::exists(folder + QStringLiteral("/job.json"));
  if (!occupied) return launch(spec, false);
  auto* question = new QMessageBox(QMessageBox::Question, tr("Results exist"),
                                   tr("\"%1\" already holds a run. Replace it?").arg(folder),
                                   QMessageBox::Yes | QMessageBox::Cancel, this);
  question->setObjectName(QStringLiteral("replace_question"));
  question->setAttribute(Qt::WA_DeleteOnClose);
  connect(question, &QMessageBox::finished, this, [this, spec](int answer) {
    if (answer == QMessageBox::Yes) launch(spec, true);
  });
  question->open();
}

void RegisterPanel::load_job() {
  auto* dialog = new QFileDialog(this, tr("Load a job"), {}, tr("Jobs (*.json)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& path) {
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly)) {
      Q_EMIT workspace_.message(tr("\"%1\" could not be read.").arg(path));
      return;
    }
    try {
      const JobSpec job = parse_job(file.readAll().toStdString());
      jobs_.take(job);
      workspace_.open_files_of(job, true);
      Q_EMIT said(tr("job loaded  (gigawarp register --job %1)").arg(shell_command({path})));
    } catch (const Error& error) {
      Q_EMIT workspace_.message(QString::fromStdString(error.what()));
    }
  });
  dialog->open();
}

void RegisterPanel::save_job() {
  auto* dialog =
      new QFileDialog(this, tr("Save the job"), QStringLiteral("job.json"), tr("Jobs (*.json)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& path) {
    QSaveFile file(path);
    const QByteArray text = QByteArray::fromStdString(to_json(job()));
    if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size() || !file.commit())
      Q_EMIT workspace_.message(tr("\"%1\" could not be written.").arg(path));
    else
      Q_EMIT said(tr("job saved  (gigawarp register --job %1)").arg(shell_command({path})));
  });
  dialog->open();
}

void RegisterPanel::copy_command() {
  const JobSpec spec = job();
  const QString job_file =
      QString::fromStdString(spec.output_directory) + QStringLiteral("-job.json");
  if (jobs_.is_changed()) {
    QSaveFile file(job_file);
    const QByteArray text = QByteArray::fromStdString(to_json(spec));
    if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size() || !file.commit())
      Q_EMIT workspace_.message(tr("\"%1\" could not be written.").arg(job_file));
  }
  const QString command = command_line(spec, !jobs_.is_changed(), job_file);
  QGuiApplication::clipboard()->setText(command);
  Q_EMIT workspace_.message(tr("Copied: %1").arg(command));
}

}  // namespace gigawarp::ui
