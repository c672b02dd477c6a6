# Makes builtin.c: files of etc/ as bytes, for core/builtin.h.
function(mur_builtin_files output)
  set(arrays "")
  set(rows "")
  set(number 0)
  foreach(name IN LISTS ARGN)
    set(path ${PROJECT_SOURCE_DIR}/etc/${name})
    if(EXISTS ${path})
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
      file(READ ${path} bytes HEX)
      string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
      string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}0x00};\n")
      string(APPEND rows "    {\"${name}\", file_${number}},\n")
      math(EXPR number "${number} + 1")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT
"#include \"core/builtin.h\"

#include <stddef.h>
#include <string.h>

@arrays@
static const struct {
    const char *name;
    const unsigned char *bytes;
} files[] = {
@rows@    {NULL, NULL}};

const char *mur_builtin_text(const char *name)
{
    for (size_t i = 0; files[i].name != NULL; i++)
        if (strcmp(files[i].name, name) == 0)
            return (const char *)files[i].bytes;
    return NULL;
}
")
endfunction()
