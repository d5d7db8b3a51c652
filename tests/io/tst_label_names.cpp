#include <gtest/gtest.h>

#include <fstream>

#include "gigawarp/error.h"
#include "io/label_names.h"
#include "io/landmarks_io.h"
#include "support/temporary_folder.h"
#include "support/test_data.h"

namespace gigawarp {
namespace {

namespace fs = std::filesystem;
using Colour = std::array<std::uint8_t, 3>;

class LabelNames : public testing::Test {
 protected:
  fs::path write(const char* name, const std::string& text) const {
    const fs::path path = folder_.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  io::LabelNames read(const char* name, const std::string& text) const {
    return io::read_label_names(write(name, text));
  }
  /// The sentence with which a file is refused.
  std::string refusal(const char* name, const std::string& text) const {
    const fs::path path = write(name, text);
    try {
      io::read_label_names(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_input);
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
      return error.what();
    }
    return {};
  }
  test::TemporaryFolder folder_;
};

TEST_F(LabelNames, descriptionsOfItkSnapHaveColoursAndQuotedNames) {
  const io::LabelNames names =
      read("snap.label",
           "################\n# ITK-SnAP Label Description File\n# IDX -R- -G- -B- -A-- VIS MSH\n"
           "    0     0    0    0        0  0  0    \"Clear Label\"\n"
           "   17   220  216   20     0.50  1  1    \"Left hippocampus\"\r\n");
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(names.at(17), (io::LabelName{"Left hippocampus", Colour{220, 216, 20}}));
}

TEST_F(LabelNames, tablesOfFreeSurferAndSlicer) {
  const io::LabelNames names = read("lut.txt",
                                    "#No. Label Name:     R   G   B   A\n\n"
                                    "0   Unknown          0   0   0   0\n"
                                    "17\tLeft-Hippocampus 220 216 20  0\n"
                                    "18  Brodmann area 17 1   2   3   255\n");
  EXPECT_EQ(names.at(17), (io::LabelName{"Left-Hippocampus", Colour{220, 216, 20}}));
  EXPECT_EQ(names.at(18), (io::LabelName{"Brodmann area 17", Colour{1, 2, 3}}));
  EXPECT_EQ(read("three.ctbl", "3 Stem 9 8 7\n").at(3), (io::LabelName{"Stem", Colour{9, 8, 7}}));
}

TEST_F(LabelNames, listsOfMricronHaveACodeThatIsNoPartOfTheName) {
  const io::LabelNames names = read("aal.txt", "1 Precentral_L 2001\r\n2 Precentral_R 2002\r\n");
  EXPECT_EQ(names.at(2), (io::LabelName{"Precentral_R", {}}));
  EXPECT_EQ(read("areas.txt", "1 Area 17\n2 Area 18\n").at(2).name, "Area 18");
  EXPECT_EQ(read("plain.txt", "1 left lung\n2 right lung\n").at(2).name, "right lung");
}

TEST_F(LabelNames, commaSeparatedTablesWithAndWithoutColumnNames) {
  EXPECT_EQ(read("a.csv", "index,name\n4,Ventricle\n").at(4), (io::LabelName{"Ventricle", {}}));
  EXPECT_EQ(read("b.csv", "name;r;g;b;Label\n\"CA1; CA2\";1;2;3;5\n").at(5),
            (io::LabelName{"CA1; CA2", Colour{1, 2, 3}}));
  EXPECT_EQ(read("c.csv", "7,\"Cortex, left\",10,20,30\n").at(7),
            (io::LabelName{"Cortex, left", Colour{10, 20, 30}}));
  EXPECT_EQ(read("d.txt", "7, Cortex\n").at(7).name, "Cortex");
  // Allen's ontology: an acronym and a colour without #.
  EXPECT_EQ(read("e.csv", "id,atlas_id,name,acronym,color_hex_triplet\n997,-1,root,root,FFFFFF\n")
                .at(997),
            (io::LabelName{"root", Colour{255, 255, 255}}));
  // The phantom's own, where "label" is the number; and where it is the name.
  EXPECT_EQ(read("f.csv", "label,name\n1,skull\n").at(1).name, "skull");
  EXPECT_EQ(read("g.csv", "index,label\n1,skull\n").at(1).name, "skull");
}

TEST_F(LabelNames, tablesOfBids) {
  const io::LabelNames names = read(
      "x_dseg.tsv",
      "\xef\xbb\xbfindex\tname\tabbreviation\tcolor\tmapping\n"
      "1\tGray Matter\tGM\t#ff53bb\t1\n2\tHippocampus, CA1\tCA1\t0,128,255\tn/a\n3.0\tx\tX\tn/a\n");
  EXPECT_EQ(names.at(1), (io::LabelName{"Gray Matter", Colour{0xff, 0x53, 0xbb}}));
  EXPECT_EQ(names.at(2), (io::LabelName{"Hippocampus, CA1", Colour{0, 128, 255}}));
  EXPECT_EQ(names.at(3), (io::LabelName{"x", {}}));
}

TEST_F(LabelNames, linesMayEndAsSpreadsheetsOnAMacEndThem) {
  const io::LabelNames names = read("mac.csv", "index,name\r1,left\r2,right\r");
  EXPECT_EQ(names.at(1).name, "left");
  EXPECT_EQ(names.at(2).name, "right");
  EXPECT_NE(refusal("mac.txt", "1 left\rright\r").find("line 2"), std::string::npos);
}

TEST_F(LabelNames, areUtf8WhateverTheFileIsAndHoldNoControls) {
  const io::LabelNames names = read("bytes.txt",
                                    "1 caf\xc3\xa9 \xe2\x80\x93 \xf0\x9f\xa7\xa0\n"  // UTF-8
                                    "2 Br\xfc"
                                    "cke \x96 \x80\n"              // Windows-1252
                                    "3 \xe9\x81\n"                 // a byte that it does not use
                                    "4 red\x1b[31m\x07 end\x7f\n"  // a terminal's colour
                                    "5 a\xc2\x9b"
                                    "31mb\xe2\x80\xae"
                                    "c\n"                          // C1; right to left
                                    "6 \xed\xa0\x80 \xc0\xaf\n");  // a surrogate; a long slash
  EXPECT_EQ(names.at(1).name, "caf\u00e9 \u2013 \U0001f9e0");
  EXPECT_EQ(names.at(2).name, "Br\u00fccke \u2013 \u20ac");
  EXPECT_EQ(names.at(3).name, "\u00e9\ufffd");
  EXPECT_EQ(names.at(4).name, "red [31m  end");
  EXPECT_EQ(names.at(5).name, "a 31mb c");
  EXPECT_EQ(names.at(6).name, "\u00ed\u00a0\u20ac \u00c0\u00af");
  EXPECT_EQ(read("tab.csv", "index,name\n1,\"left\thalf\x0b\x0b of it\"\n").at(1).name,
            "left half  of it");
  EXPECT_NE(refusal("none.csv", "index,name\n1,\x1b\n").find("label 1 no name in line 2"),
            std::string::npos);
}

TEST_F(LabelNames, namesOfLandmarksAreReadLikewise) {
  const fs::path path = write("points.csv",
                              "name,x,y,z\nBr\xfc"
                              "cke\x1b[2J,1,2,3\n");
  EXPECT_EQ(io::read_landmarks(path).front().name, "Br\u00fccke [2J");
}

TEST_F(LabelNames, whatIsNoTableOfNamesIsRefusedWithItsLine) {
  EXPECT_NE(refusal("wide.txt", std::string("\xff\xfe\x31\0 \0a\0", 8)).find("UTF-16"),
            std::string::npos);
  EXPECT_NE(refusal("a.txt", "1 left 1 2 3 0\n# more\nright 1 2 3 0\n").find("line 3"),
            std::string::npos);
  EXPECT_NE(refusal("b.txt", "1 left 1 2 300 0\n").find("line 1"), std::string::npos);
  EXPECT_NE(refusal("c.csv", "index,name,color\n1,left,teal\n").find("line 2"), std::string::npos);
  EXPECT_NE(refusal("d.csv", "index,name\n1,left\n2,\n").find("label 2 no name in line 3"),
            std::string::npos);
  EXPECT_NE(refusal("e.csv", "index,name\n1,left\n1,right\n").find("line 2 in line 3"),
            std::string::npos);
  EXPECT_NE(refusal("f.txt", "# nothing\n\n").find("names no labels"), std::string::npos);
  EXPECT_NE(refusal("g.csv", "index,name\n").find("names no labels"), std::string::npos);
  EXPECT_NE(refusal("matrix.txt", "1 0 0 0\n0 1 0 0\n0 0 1 0\n").find("line 1"), std::string::npos);
  EXPECT_NE(refusal("landmarks.csv", "name,x,y,z\nP1,1,2,3\n").find("line 1"), std::string::npos);
  EXPECT_NE(refusal("volume.label", std::string("\x5c\x01\0\0\n\x02", 6)).find("line 1"),
            std::string::npos);
  EXPECT_THROW(io::read_label_names(folder_.path() / "absent.txt"), Error);
}

TEST_F(LabelNames, areFoundBesideTheirVolume) {
  const fs::path volume = folder_.path() / "atlas.nii.gz";
  EXPECT_TRUE(io::read_label_names_beside(volume).path.empty());
  write("atlas.csv", "no names\n");
  const io::NamesBeside broken = io::read_label_names_beside(volume);
  EXPECT_EQ(broken.path.filename(), "atlas.csv");
  EXPECT_NE(broken.problem.find("line 1"), std::string::npos);
  write("atlas.txt", "1 last\n");
  EXPECT_EQ(io::read_label_names_beside(volume).names.at(1).name, "last");
  write("atlas.lut", "1 left\n");
  EXPECT_EQ(io::read_label_names_beside(volume).names.at(1).name, "left");
  write("atlas.nii.txt", "1 links\n");
  EXPECT_EQ(io::read_label_names_beside(volume).names.at(1).name, "links");
  write("mouse.label", "2 tail\n");
  EXPECT_EQ(io::read_label_names_beside(folder_.path() / "mouse.ome.zarr/").names.at(2).name,
            "tail");
  write("tpl-x_atlas-y_dseg.tsv", "index\tname\n3\tstem\n");
  EXPECT_EQ(io::read_label_names_beside(folder_.path() / "tpl-x_res-02_atlas-y_dseg.nii.gz")
                .names.at(3)
                .name,
            "stem");
}

TEST_F(LabelNames, ofARealAtlasAreAllRead) {
  const auto data = test::test_data();
  if (!data) GTEST_SKIP() << "GIGAWARP_TEST_DATA is not there";
  const io::NamesBeside beside = io::read_label_names_beside(*data / "landmarks" / "aal.nii.gz");
  EXPECT_EQ(beside.path.filename(), "aal.nii.txt");
  EXPECT_EQ(beside.names.size(), 116U) << beside.problem;
  EXPECT_EQ(beside.names.at(1).name, "Precentral_L");
  EXPECT_EQ(beside.names.at(116).name, "Vermis_10");
}

}  // namespace
}  // namespace gigawarp
