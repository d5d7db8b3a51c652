#ifndef GIGAWARP_PLUGIN_H
#define GIGAWARP_PLUGIN_H
/*
 * How Gigawarp reads file formats that it does not know itself.
 *
 * A plugin is a shared library (.so) that exports the two names at the end of this file. It needs
 * this header and nothing else of Gigawarp, and may be written in any language that can speak C.
 * tests/plugin_sample is a whole one in C, and shows how to build it.
 *
 * LIFE. On the first file that is looked at, Gigawarp loads every .so in its plugin folders (see
 * below), compares the interface number, calls gigawarp_plugin_register() once and keeps the
 * library for as long as it runs. A plugin that cannot be loaded, has another interface number,
 * fails to register or repeats the name of an earlier one is skipped with a reason; `gigawarp
 * formats` lists them all. A volume is read by these calls in this order:
 *
 *     probe() … open() → describe() → read(), read(), … → close()
 *
 * Several volumes, also of one file, may be open at once.
 *
 * FOLDERS, in this order; of two plugins of one name the first counts:
 *
 * 1. $GIGAWARP_PLUGINS: folders and .so files, separated by colons;
 *
 * 2. the user's own: $XDG_DATA_HOME/gigawarp/plugins, or ~/.local/share/gigawarp/plugins;
 *
 * 3. those that came with the program: ../lib/gigawarp/plugins as seen from its folder.
 *
 * UNITS. Sizes and positions count voxels along x, y, z, and x is the fastest in memory. The world
 * is that of ITK and DICOM: x grows to the patient's Left, y to Posterior, z to Superior. Voxel
 * index (0, 0, 0) is the CENTRE of the first voxel. Lengths are millimetres, or in the unit of the
 * file that describe() names and Gigawarp converts.
 *
 * MEMORY. Who makes a thing frees it. What a plugin hands out (texts, levels) it keeps valid as
 * long as said beside it; Gigawarp copies what it needs. What Gigawarp hands in is valid during the
 * call alone. The voxels that read() delivers go into memory of Gigawarp's.
 *
 * THREADS. probe(), open() and close() of different volumes, and read() of one volume, are called
 * from many threads at once, except with GIGAWARP_SERIAL, which means one call into the plugin at a
 * time. describe() and close() of a volume never overlap another call for it.
 *
 * ERRORS. Calls return GIGAWARP_OK or another code of GigawarpCode, and then say why in
 * GigawarpError::text: one sentence in UTF-8 for the person who chose the file, such as
 *
 *     The file "a.xyz" ends in the middle of plane 7; copy or export it again.
 *
 * Gigawarp shows it with the plugin's name. After a failed read() the volume remains usable. No
 * C++ exception and no longjmp may leave a plugin.
 *
 * TRUST. A plugin is part of the program: Gigawarp checks what it says (sizes, voxel sizes, texts),
 * but cannot protect itself from code that crashes or writes beyond the memory it was given.
 *
 * GROWTH. GIGAWARP_PLUGIN_INTERFACE changes when a plugin that was built before would no longer
 * work. Whatever is only added goes to the end of a structure with struct_bytes, which tells how
 * much of it the other side knows: set it to sizeof the structure, and look at it before you use a
 * member of GigawarpHost that came later than interface 1's first release. Meant for later:
 * writing, progress and cancelling inside one read(), files behind addresses (HTTP, S3), 16-bit
 * floats, metrics.
 */
// NOLINTBEGIN(modernize-*): this is C
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GIGAWARP_PLUGIN_INTERFACE 1u
#define GIGAWARP_PLUGIN_EXPORT __attribute__((visibility("default")))

/** What a call came to. */
enum GigawarpCode {
  GIGAWARP_OK = 0,
  GIGAWARP_BAD_INPUT = 1, /**< the file is damaged, or of a kind that is not read */
  GIGAWARP_NO_MEMORY = 2, /**< an allocation failed */
  GIGAWARP_FAILED = 3     /**< anything else: the plugin itself is at fault */
};

/** Why a call failed. The caller's; filled in when a call returns another code than GIGAWARP_OK. */
typedef struct GigawarpError {
  char text[1024]; /**< UTF-8, ends with a zero byte */
} GigawarpError;

/** Voxel types, in the byte order of the machine. */
enum GigawarpType {
  GIGAWARP_U8 = 0,
  GIGAWARP_I8 = 1,
  GIGAWARP_U16 = 2,
  GIGAWARP_I16 = 3,
  GIGAWARP_U32 = 4,
  GIGAWARP_I32 = 5,
  GIGAWARP_F32 = 6,
  GIGAWARP_F64 = 7,
  GIGAWARP_U64 = 8, /**< Gigawarp keeps 32 bits and refuses voxels with values that need more */
  GIGAWARP_I64 = 9
};

/** How sure probe() is. */
enum GigawarpProbe {
  GIGAWARP_NO = 0,   /**< not of this format */
  GIGAWARP_NAME = 1, /**< called like it, but the content does not tell: a built-in format of that
                        ending goes first */
  GIGAWARP_CONTENT =
      2 /**< certainly of this format: it is read by this plugin, whatever else might read it */
};

/** GigawarpFormat::flags. At least one of FILES and FOLDERS. */
enum GigawarpFlags {
  GIGAWARP_FILES = 1,   /**< a volume is a file (with others beside it, if need be) */
  GIGAWARP_FOLDERS = 2, /**< a volume is a folder */
  GIGAWARP_SERIAL =
      4,             /**< one call into the plugin at a time; parallel_for() then uses one thread */
  GIGAWARP_WHOLE = 8 /**< cannot be read out of order (compressed as one stream, say): read() is
                        asked for whole levels only, and Gigawarp does not stream from it */
};

/** A file or folder that is looked at. */
typedef struct GigawarpFile {
  const char* path;    /**< bytes of the file system; usually UTF-8 */
  const uint8_t* head; /**< its first bytes, up to 4096; of a folder none */
  size_t head_bytes;
  int32_t is_folder;
} GigawarpFile;

/** One resolution level of a volume. */
typedef struct GigawarpLevel {
  int64_t size[3];  /**< voxels along x, y, z; at least 1 */
  int64_t brick[3]; /**< voxels that are cheapest to read together (a chunk, a plane, a strip); at
                       least 1 */
  /** Maps a voxel index to the world: world[r] = m[r][0] x + m[r][1] y + m[r][2] z + m[r][3]. */
  double world_from_voxel[3][4];
} GigawarpLevel;

/** What a volume is. Every pointer stays valid until the next describe() of the volume or its
 * close(). */
typedef struct GigawarpDescription {
  uint64_t struct_bytes;       /**< set by Gigawarp: write no member beyond */
  const char* format;          /**< for people: "N5 (gzip)" */
  int32_t type;                /**< GigawarpType; the same in all levels */
  int32_t channels;            /**< 1 to 4096 */
  int32_t labels;              /**< not 0: values are names of regions, not amounts */
  int32_t level_count;         /**< 1 to 64 */
  const GigawarpLevel* levels; /**< finest first; no level has more voxels than the one before */
  /** Of every length in `levels`: "mm", "micrometer", "um", "µm", "nm", "inch" … as the file has
   * it; Gigawarp knows their spellings. NULL when the file says nothing of voxel sizes, "" when it
   * says no unit: then, and for a unit that it does not know, Gigawarp asks its user for the voxel
   * size and keeps the proportions of the levels. */
  const char* unit;
  int32_t note_count; /**< at most 64 */
  const char* const*
      notes; /**< what was assumed or converted, a sentence each; NULL when note_count is 0 */
  /** What the file calls its channels, `channels` texts; NULL when it gives no names. Later than
   * interface 1's first release: look at struct_bytes before you write it. */
  const char* const* channel_names;
} GigawarpDescription;

/** A part of a volume. It lies inside the level. */
typedef struct GigawarpBox {
  int32_t timepoint; /**< these three count from 0 */
  int32_t level;
  int32_t channel;
  int64_t begin[3]; /**< the first voxel along x, y, z */
  int64_t size[3];  /**< how many; at least 1 */
} GigawarpBox;

/** What Gigawarp does for a plugin. Valid as long as the library is loaded; callable from any
 * thread. */
typedef struct GigawarpHost {
  uint64_t struct_bytes;
  /** Calls work(context, i) for every i from 0 to count - 1, in any order, on Gigawarp's threads,
   * and returns when all are done. So chunks are decoded in parallel without threads beyond those
   * that the user allows. */
  void (*parallel_for)(int64_t count, void (*work)(void* context, int64_t i), void* context);
  /** Expands `in` so that it fills `out` to the last byte. Codecs: "blosc", "gzip", "zlib", "zstd",
   * "lz4" (with the length in front, as numcodecs has it), each held against damaged input. Fails
   * with GIGAWARP_BAD_INPUT and words that complete "the chunk …" ("is truncated or damaged (…)"),
   * GIGAWARP_FAILED for another codec. */
  int32_t (*expand)(const char* codec, const void* in, uint64_t in_bytes, void* out,
                    uint64_t out_bytes, GigawarpError* error);
} GigawarpHost;

/** An open volume; what it points to is known to the plugin alone. */
typedef struct GigawarpVolume GigawarpVolume;

/** A format. It and all it points to stay valid as long as the library is loaded. */
typedef struct GigawarpFormat {
  uint64_t struct_bytes;
  const char* name;        /**< small letters, digits, "-": unique among all formats ("bdv-hdf5") */
  const char* description; /**< for lists: "BigDataViewer HDF5" */
  /** Ends of the names for which probe() is asked, in small letters with their stop (".xyz"), NULL
   * after the last; "" means any name. Upper and lower case of a file are the same. */
  const char* const* endings;
  uint32_t flags; /**< GigawarpFlags */

  /** GigawarpProbe. Called often: look at the first bytes, and further only where they are not
   * enough. */
  int32_t (*probe)(const GigawarpFile* file);
  /** Opens a volume without reading voxels; sets *volume and the number of its time points (at
   * least 1). */
  int32_t (*open)(const char* path, GigawarpVolume** volume, int32_t* timepoints,
                  GigawarpError* error);
  /** Describes the volume at one time point. `out` is zeroed but for struct_bytes. */
  int32_t (*describe)(GigawarpVolume* volume, int32_t timepoint, GigawarpDescription* out,
                      GigawarpError* error);
  /** Fills `out` with the voxels of the box, x fastest, then y, then z, without gaps; `out_bytes`
   * is their length. */
  int32_t (*read)(GigawarpVolume* volume, const GigawarpBox* box, void* out, uint64_t out_bytes,
                  GigawarpError* error);
  /** Frees the volume. Never fails. */
  void (*close)(GigawarpVolume* volume);
} GigawarpFormat;

/** A plugin: what it is called and what it reads. Valid as long as the library is loaded. */
typedef struct GigawarpPlugin {
  uint64_t struct_bytes;
  const char* name;     /**< small letters, digits, "-": unique among all plugins */
  const char* version;  /**< its own, for people: "0.3.1" */
  int32_t format_count; /**< 1 to 64 */
  const GigawarpFormat* const* formats;
} GigawarpPlugin;

/* What a plugin exports. The number lies in a variable, so that it is compared before a function of
 * the plugin is called. */

/** GIGAWARP_PLUGIN_INTERFACE of the header that the plugin was built with. */
extern GIGAWARP_PLUGIN_EXPORT const uint32_t gigawarp_plugin_interface;

/** Returns the plugin, or NULL with the reason in `error`: then it is skipped and unloaded. */
GIGAWARP_PLUGIN_EXPORT const GigawarpPlugin* gigawarp_plugin_register(const GigawarpHost* host,
                                                                      GigawarpError* error);

#ifdef __cplusplus
}
#endif
// NOLINTEND(modernize-*)
#endif
