# One static library a room. What a room may link is what it may include: tests/lint/layers.py holds
# the same table against the #include lines.
function(mur_room room)
  cmake_parse_arguments(ROOM "" "" "ROOMS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${room}/*.c)
  if(room STREQUAL "dicom")
    file(GLOB bridge CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/dicom/bridge/*.cc)
    list(APPEND sources ${bridge})
  endif()
  if(room STREQUAL "cli")
    list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/cli/main.c)
  endif()
  if(room STREQUAL "db")
    file(GLOB schema CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/db/schema/*.sql)
    set(migrations ${PROJECT_BINARY_DIR}/generated/migrations.c)
    add_custom_command(OUTPUT ${migrations} DEPENDS ${schema} cmake/embed.cmake
      COMMAND ${CMAKE_COMMAND} -DOUTPUT=${migrations} -DFOLDER=${PROJECT_SOURCE_DIR}/db/schema
              -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake)
    list(APPEND sources ${migrations})
  endif()
  set(links ${ROOM_LIBRARIES})
  foreach(other IN LISTS ROOM_ROOMS)
    list(APPEND links mur_${other})
  endforeach()
  if(sources)
    add_library(mur_${room} STATIC ${sources})
    mur_compile_options(mur_${room})
    target_link_libraries(mur_${room} PUBLIC ${links})
  else()
    add_library(mur_${room} INTERFACE)
    target_link_libraries(mur_${room} INTERFACE ${links})
  endif()
endfunction()

include(cmake/builtin.cmake)
mur_builtin_files(${PROJECT_BINARY_DIR}/generated/builtin.c isa-mapping.cfg organs.cfg murpacs.cfg)

mur_room(core LIBRARIES PkgConfig::OPENSSL_CRYPTO PkgConfig::CONFIG PkgConfig::UTF8PROC
         PkgConfig::JANSSON PkgConfig::ZSTD PkgConfig::XXHASH ZLIB::ZLIB Threads::Threads m)
target_sources(mur_core PRIVATE ${PROJECT_BINARY_DIR}/generated/builtin.c)
mur_room(dicom ROOMS core LIBRARIES ${DCMTK_LIBRARIES} PkgConfig::OPENJPEG PkgConfig::OPENSSL_SSL)
mur_room(isa ROOMS core LIBRARIES PkgConfig::LIBZIP)
mur_room(mapping ROOMS core dicom isa)
mur_room(store ROOMS core)
mur_room(db ROOMS core dicom isa LIBRARIES PkgConfig::SQLITE)
mur_room(converters ROOMS core dicom LIBRARIES nifti2)
mur_room(archive ROOMS core dicom isa mapping db store)
mur_room(scp ROOMS core dicom archive)
mur_room(web ROOMS core dicom archive LIBRARIES PkgConfig::MICROHTTPD PkgConfig::JPEG PkgConfig::PNG)
mur_room(scu ROOMS core dicom)
mur_room(workflow ROOMS core dicom isa mapping db store archive converters scu)
mur_room(cli ROOMS scp web scu workflow archive converters mapping isa db store dicom core
         LIBRARIES PkgConfig::POPT)

target_include_directories(mur_dicom SYSTEM PRIVATE ${DCMTK_INCLUDE_DIRS})

target_compile_definitions(mur_converters PRIVATE MUR_VERSION="${PROJECT_VERSION}")
target_compile_definitions(mur_cli PRIVATE MUR_VERSION="${PROJECT_VERSION}"
                           MUR_DESCRIPTION="${PROJECT_DESCRIPTION}")
