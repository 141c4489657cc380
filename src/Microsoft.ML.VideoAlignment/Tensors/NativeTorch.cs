using System.ComponentModel;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>The first touch of libtorch, which says in one sentence what to do where its native package is missing.</summary>
/// <remarks>
/// TorchSharp itself then fails in a static constructor, and its advice stands in an inner exception, with another package's name and version.
/// </remarks>
internal static class NativeTorch
{
    // Systems on x64 other than Linux with glibc, by the beginnings of their identifiers.
    private static readonly string[] s_otherX64 = ["win", "osx", "linux-musl", "linux-bionic", "alpine"];

    private static volatile bool s_loaded;

    /// <summary>Loads libtorch, unless it is loaded.</summary>
    /// <exception cref="DllNotFoundException">
    /// It is missing, or the system cannot load it; the message says which package to add, or what else is missing.
    /// </exception>
    public static void Require()
    {
        if (s_loaded)
        {
            return;
        }

        try
        {
            _ = get_num_threads();
            s_loaded = true;
        }
        catch (Exception error) when (error is TypeInitializationException or DllNotFoundException or NotSupportedException or BadImageFormatException)
        {
            string version = typeof(torch).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";
            throw new DllNotFoundException(Explain(RuntimeInformation.RuntimeIdentifier, version, Refusal()), error);
        }
    }

    /// <summary>Says what to do.</summary>
    /// <param name="system">The runtime identifier of this system, such as linux-x64.</param>
    /// <param name="version">TorchSharp's version.</param>
    /// <param name="refusal">What the system says to a library that is there and cannot be loaded; null: it is not there.</param>
    internal static string Explain(string system, string version, string? refusal)
    {
        if (refusal is not null)
        {
            string remedy = refusal.Contains("GLIBCXX", StringComparison.Ordinal)
                ? "The system's libstdc++ is older than the library asks for. Where a project references this package its build target mends the copy in the "
                    + "output and publish folders when it is built on such a system; built on a newer one, it needs -p:PatchTorchSharpNative=true. A project "
                    + "that "
                    + "references the sources imports that target, build/PatchTorchSharpNative.targets; a script, which runs from the package cache, needs the "
                    + "libstdc++ of GCC 13.2 or later."
                : $"Reference native packages of the version of TorchSharp itself, {version}, and install what the message names.";
            return $"libtorch is there and cannot be loaded on this system ({system}): {refusal} {remedy}";
        }

        string[] packages = system switch
        {
            "win-x64" => ["TorchSharp-cpu", "TorchSharp-cuda-windows"],
            "osx-arm64" => ["TorchSharp-cpu"],
            _ when IsGlibcX64(system) => ["TorchSharp-cpu", "TorchSharp-cuda-linux"],
            _ => [],
        };
        string missing = $"libtorch, which does the computing, did not come along with this program: it has TorchSharp {version} without a native package. ";
        return missing + (packages.Length == 0
            ? $"There is none for this system, {system}; there are for linux-x64 (glibc), win-x64 and osx-arm64."
            : $"Add the one for this system ({system}), of the same version: dotnet add package {packages[0]} --version {version}"
                + (packages.Length > 1 ? $", or {packages[1]} for NVIDIA GPUs." : ".") + $" (In a script: #r \"nuget: {packages[0]}, {version}\".)");
    }

    private static bool IsGlibcX64(string system) => system.EndsWith("-x64", StringComparison.Ordinal)
        && !s_otherX64.Any(other => system.StartsWith(other, StringComparison.Ordinal));

    /// <summary>Lists native libraries that this process has loaded, by their paths.</summary>
    /// <param name="isMeant">Whether a path is of the library that is looked for.</param>
    /// <returns>None where the system does not list them.</returns>
    public static IReadOnlyList<string> LoadedFiles(Func<string, bool> isMeant)
    {
        try
        {
            using var process = Process.GetCurrentProcess();
            return [.. process.Modules.Cast<ProcessModule>().Select(module => module.FileName).Where(isMeant)];
        }
        catch (Exception error) when (error is Win32Exception or InvalidOperationException or NotSupportedException)
        {
            return [];
        }
    }

    /// <summary>What the system says to the library that lies where one is looked for.</summary>
    private static string? Refusal()
    {
        string name = OperatingSystem.IsWindows() ? "LibTorchSharp.dll" : OperatingSystem.IsMacOS() ? "libLibTorchSharp.dylib" : "libLibTorchSharp.so";
        string? file = Folders().Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        try
        {
            if (file is not null)
            {
                NativeLibrary.Load(file);
            }

            return null;
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            return error.Message.ReplaceLineEndings(" ").TrimEnd();
        }
    }

    /// <summary>
    /// Lists where native libraries may lie: folders of this program, and, for a script that runs from the package cache, where TorchSharp puts its libraries
    /// together there.
    /// </summary>
    public static IEnumerable<string> Folders()
    {
        string searched = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        string assembly = Path.GetDirectoryName(typeof(torch).Assembly.Location) ?? "";
        return
        [
            .. searched.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), AppContext.BaseDirectory,
            .. assembly.Length == 0 ? [] : new[] { Path.Combine(assembly, "cpu"), assembly },
        ];
    }
}
