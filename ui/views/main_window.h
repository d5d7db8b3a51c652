#pragma once
#include <QDockWidget>
#include <QLabel>
#include <QLineEdit>
#include <QMainWindow>
#include <QPushButton>
#include <QStackedWidget>

#include "ui/models/demo_pair.h"
#include "ui/models/exporter.h"
#include "ui/models/hand_log.h"
#include "ui/models/joint_model.h"
#include "ui/models/session.h"
#include "ui/models/view_history.h"
#include "ui/models/workspace.h"
#include "ui/views/actions.h"
#include "ui/views/brain_view.h"
#include "ui/views/data_panel.h"
#include "ui/views/landmark_panel.h"
#include "ui/views/message_line.h"
#include "ui/views/register_panel.h"
#include "ui/views/results_panel.h"
#include "ui/views/review_panel.h"
#include "ui/views/run_panel.h"
#include "ui/views/runs_panel.h"
#include "ui/views/view_grid.h"

class QMessageBox;

namespace gigawarp::ui {

/// The window: panels around the views, menus and keys. It connects parts and knows none of their
/// insides.
class MainWindow final : public QMainWindow {
  Q_OBJECT
 public:
  MainWindow();
  ~MainWindow() override;

  Workspace& workspace() { return workspace_; }
  RunController& run() { return run_; }
  Results& results() { return results_; }
  Exporter& exporter() { return exporter_; }
  RunList& runs() { return runs_; }
  Session& session() { return session_; }
  JobModel& jobs() { return jobs_; }
  ReviewModel& review() { return review_; }
  ViewGrid& views() { return *views_; }
  Actions& actions_table() { return *actions_; }
  /// True when no picture is being drawn or waits to be, nor bricks that would make one finer.
  bool is_drawn() const;

 protected:
  bool event(QEvent* event) override;
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;
  void closeEvent(QCloseEvent* event) override;

 private:
  void make_docks();
  void make_menus();
  void make_status_bar();
  void connect_files();
  void connect_display();
  void connect_views();
  void connect_panels();
  void connect_alignment();
  void align_moments();
  void align_landmarks();
  void connect_run();
  bool shows_pair_of_run() const;
  void connect_results();
  void connect_runs(const std::function<void(const QString&)>& open);
  void connect_review();
  void connect_session();
  void connect_history();
  void ask_for_view_name();
  void fill_kept_views(QMenu* menu);
  void save_session_as();
  void fill_recent(QMenu* menu);
  void ask_about_unfinished(const QString& folder);
  void connect_hand_log();
  void connect_exports();
  void make_export_row();
  void show_export();
  void ask_to_export(Exporter::What what);
  void export_view();
  void connect_closing();
  QMessageBox* closing_question(const char* name, const QString& title, const QString& text);
  void ask_about_run();
  QString unsaved_work() const;
  void ask_about_work(const QString& work, const QString& without,
                      const std::function<void()>& go_on);
  void ask_about_export();
  void ask_for_file(LayerRole role);
  void ask_for_names(LayerRole role);
  /// Without a role: the next free one.
  void ask_for_address(std::optional<LayerRole> role);
  void ask_for_voxel_size(LayerRole role);
  void show_next_step();
  void show_readout();
  QDockWidget* add_dock(Qt::DockWidgetArea area, const QString& title, const char* name,
                        QWidget* content);
  void change(const QString& text, const std::function<void(DisplayState&)>& edit);
  void change_opacity(double step);

  Workspace workspace_;
  JobModel jobs_;
  RunController run_;
  Results results_{workspace_};
  Exporter exporter_{workspace_, results_};
  Session session_{workspace_, jobs_, results_};
  RunList runs_{workspace_};
  JointModel joint_{workspace_};
  ReviewModel review_;
  HandLog hand_log_{workspace_};
  DemoPair demo_;
  ViewHistory history_;
  QTimer rest_;  ///< runs out when the views have come to rest
  render::RenderQueue queue_;
  Actions* actions_;
  QStackedWidget* centre_;
  ViewGrid* views_;
  BrainView* brain_;
  QWidget* empty_;
  DataPanel* data_;
  RegisterPanel* register_;
  ResultsPanel* results_panel_;
  LandmarkPanel* landmark_panel_;
  RunPanel* run_panel_;
  RunsPanel* runs_panel_;
  ReviewPanel* review_panel_;
  QWidget* next_row_;
  QLabel* next_step_;
  QPushButton* next_button_;  ///< does what the sentence says, where one command does
  QAction* next_action_ = nullptr;
  bool plugins_told_ = false;
  std::function<void()> when_saved_;  ///< what waits for the session to be in its file; or nothing
  bool leaves_work_ = false;          ///< closing without it was chosen, and it is still the same
  /// What the window waits for to close: the file that is written to be whole, or to be whole or
  /// given up; the end of the run.
  enum class ClosesAfter { nothing, file, attempt, run };
  ClosesAfter closes_after_ = ClosesAfter::nothing;
  bool looks_at_results_ = false;  ///< of an earlier run, while one goes on
  bool has_started_ = false;       ///< a run or results have been seen: no newcomer any more
  QWidget* export_row_;
  QLabel* export_text_;
  QProgressBar* export_bar_;
  MessageLine* message_;
  QLineEdit* readout_;
  std::optional<Vec3> hovered_mm_;  ///< what the readout tells of; else of the crosshair
};

}  // namespace gigawarp::ui
