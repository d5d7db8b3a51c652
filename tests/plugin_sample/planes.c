/*
 * A sample plugin for Gigawarp, in plain C.
 *
 * The format "Planes": a file *.planes with lines of text, then voxels.
 *
 *     PLANES 1                 what it is
 *     size 40 30 20            voxels along x, y, z
 *     spacing 0.5 0.5 1        of voxels, in the unit
 *     origin -10 -7 0          centre of the first voxel, in the unit; x to Left, y to Posterior, z
 * to Superior unit mm                  optional type u16                 u8, u16 or f32 levels 1
 * optional: the same volume that many times data                     voxels follow, x fastest,
 * little-endian
 *
 * What a header says is passed on as it is: Gigawarp checks it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gigawarp/plugin.h"

/* The types of this file are those of the machine: it must be little-endian. */
struct GigawarpVolume {
  FILE* file;
  char path[4096];
  long data; /* where voxels begin */
  int64_t size[3];
  double spacing[3], origin[3];
  int levels, type, width;
  char unit[32];
  GigawarpLevel* level;
};

static int32_t fail(GigawarpError* error, int32_t code, const char* path, const char* what) {
  snprintf(error->text, sizeof error->text, "The file \"%s\" %s", path, what);
  return code;
}

static int32_t probe(const GigawarpFile* file) {
  const char magic[] = "PLANES 1\n";
  if (file->head_bytes < sizeof magic - 1) return GIGAWARP_NAME;
  return memcmp(file->head, magic, sizeof magic - 1) == 0 ? GIGAWARP_CONTENT : GIGAWARP_NAME;
}

static int three(const char* text, double* out) {
  return sscanf(text, "%lf %lf %lf", &out[0], &out[1], &out[2]) == 3;
}

/* 1 when the line is understood. */
static int take_line(GigawarpVolume* v, const char* line) {
  if (strncmp(line, "size ", 5) == 0)
    return sscanf(line + 5, "%" SCNd64 " %" SCNd64 " %" SCNd64, &v->size[0], &v->size[1],
                  &v->size[2]) == 3;
  if (strncmp(line, "spacing ", 8) == 0) return three(line + 8, v->spacing);
  if (strncmp(line, "origin ", 7) == 0) return three(line + 7, v->origin);
  if (strncmp(line, "levels ", 7) == 0) return sscanf(line + 7, "%d", &v->levels) == 1;
  if (strncmp(line, "unit ", 5) == 0) return sscanf(line + 5, "%31s", v->unit) == 1;
  if (strcmp(line, "type u8\n") == 0) return v->type = GIGAWARP_U8, v->width = 1;
  if (strcmp(line, "type u16\n") == 0) return v->type = GIGAWARP_U16, v->width = 2;
  if (strcmp(line, "type f32\n") == 0) return v->type = GIGAWARP_F32, v->width = 4;
  return 0;
}

static void close_volume(GigawarpVolume* v) {
  if (v->file != NULL) fclose(v->file);
  free(v->level);
  free(v);
}

static int32_t open_volume(const char* path, GigawarpVolume** volume, int32_t* timepoints,
                           GigawarpError* error) {
  char line[256];
  GigawarpVolume* v = calloc(1, sizeof *v);
  if (v == NULL) return fail(error, GIGAWARP_NO_MEMORY, path, "needs more memory than there is.");
  v->levels = 1;
  strcpy(v->unit, "mm");
  snprintf(v->path, sizeof v->path, "%s", path);
  v->file = fopen(path, "rb");
  int good = v->file != NULL && fgets(line, sizeof line, v->file) != NULL &&
             strcmp(line, "PLANES 1\n") == 0;
  while (good && (good = fgets(line, sizeof line, v->file) != NULL) && strcmp(line, "data\n") != 0)
    good = take_line(v, line);
  if (!good || v->width == 0) {
    close_volume(v);
    return fail(error, GIGAWARP_BAD_INPUT, path, "has a damaged header; export it again.");
  }
  v->data = ftell(v->file);
  *volume = v;
  *timepoints = 1;
  return GIGAWARP_OK;
}

static int32_t describe(GigawarpVolume* v, int32_t timepoint, GigawarpDescription* out,
                        GigawarpError* error) {
  static const char* const notes[] = {"Planes have no anatomical orientation but LPS."};
  const int levels = v->levels > 0 && v->levels < 1000 ? v->levels : 1;
  (void)timepoint;
  free(v->level);
  v->level = calloc((size_t)levels, sizeof *v->level);
  if (v->level == NULL)
    return fail(error, GIGAWARP_NO_MEMORY, v->path, "needs more memory than there is.");
  for (int l = 0; l < levels; ++l)
    for (int a = 0; a < 3; ++a) {
      v->level[l].size[a] = v->size[a];
      v->level[l].brick[a] = a < 2 ? v->size[a] : 1; /* a plane */
      v->level[l].world_from_voxel[a][a] = v->spacing[a];
      v->level[l].world_from_voxel[a][3] = v->origin[a];
    }
  out->format = "Planes 1";
  out->type = v->type;
  out->channels = 1;
  out->level_count = v->levels;
  out->levels = v->level;
  out->unit = v->unit;
  out->note_count = 1;
  out->notes = notes;
  return GIGAWARP_OK;
}

/* Rows of the box, one after the other; the position in the file is shared, hence GIGAWARP_SERIAL.
 */
static int32_t read_box(GigawarpVolume* v, const GigawarpBox* box, void* out, uint64_t out_bytes,
                        GigawarpError* error) {
  const int64_t nx = v->size[0], ny = v->size[1];
  const size_t row = (size_t)box->size[0] * (size_t)v->width;
  char* to = out;
  (void)out_bytes;
#ifdef PLANES_WHOLE
  for (int a = 0; a < 3; ++a)
    if (box->size[a] != v->size[a])
      return fail(error, GIGAWARP_FAILED, v->path, "was to be read in parts.");
#endif
  for (int64_t z = 0; z < box->size[2]; ++z)
    for (int64_t y = 0; y < box->size[1]; ++y, to += row) {
      const int64_t voxel = ((box->begin[2] + z) * ny + box->begin[1] + y) * nx + box->begin[0];
      if (fseek(v->file, v->data + (long)voxel * v->width, SEEK_SET) != 0 ||
          fread(to, 1, row, v->file) != row)
        return fail(error, GIGAWARP_BAD_INPUT, v->path, "ends too early; copy it again.");
    }
  return GIGAWARP_OK;
}

#ifdef PLANES_WITHOUT_READ
#define READ NULL
#else
#define READ read_box
#endif

#ifdef PLANES_WHOLE /* as if it could not be read out of order */
#define FLAGS (GIGAWARP_FILES | GIGAWARP_SERIAL | GIGAWARP_WHOLE)
#else
#define FLAGS (GIGAWARP_FILES | GIGAWARP_SERIAL)
#endif

static const char* const endings[] = {".planes", NULL};
static const GigawarpFormat planes = {sizeof(GigawarpFormat),
                                      "planes",
                                      "Planes",
                                      endings,
                                      FLAGS,
                                      probe,
                                      open_volume,
                                      describe,
                                      READ,
                                      close_volume};
static const GigawarpFormat* const formats[] = {&planes};
static const GigawarpPlugin plugin = {sizeof(GigawarpPlugin), "planes", PLANES_VERSION, 1, formats};

#ifndef PLANES_INTERFACE
#define PLANES_INTERFACE GIGAWARP_PLUGIN_INTERFACE
#endif
const uint32_t gigawarp_plugin_interface = PLANES_INTERFACE;

#ifdef PLANES_NEEDS
void PLANES_NEEDS(void);
#endif

const GigawarpPlugin* gigawarp_plugin_register(const GigawarpHost* host, GigawarpError* error) {
  const GigawarpPlugin* answer = &plugin;
  (void)host;
  (void)error;
#ifdef PLANES_UNABLE
  snprintf(error->text, sizeof error->text, "The licence has run out.");
  answer = NULL;
#endif
#ifdef PLANES_NEEDS
  PLANES_NEEDS();
#endif
  return answer;
}
