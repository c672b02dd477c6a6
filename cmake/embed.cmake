# Makes the C table of db/schema/*.sql: cmake -DOUTPUT=... -DFOLDER=... -P embed.cmake
file(GLOB files ${FOLDER}/*.sql)
list(SORT files)
set(rows "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n     \"" text "${text}")
  string(APPEND rows "    {\"${name}\",\n     \"${text}\"},\n")
endforeach()
file(WRITE ${OUTPUT} "/* Made from db/schema by cmake/embed.cmake. */\n#include \"db/connection.h\"\n
const struct mur_migration mur_migrations[] = {\n${rows}};
const size_t mur_migration_count = sizeof mur_migrations / sizeof mur_migrations[0];\n")
