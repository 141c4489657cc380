using System.IO.Compression;
using System.Runtime.InteropServices;

namespace Microsoft.ML.VideoAlignment.Rewards.Custom;

/// <summary>A reward of the caller's as a TorchScript program (torch.jit.save): forward(frames [B, 3, T, H, W], float32 in [0, 1]) -> [B].</summary>
internal sealed class TorchScriptReward : VideoReward
{
    public const string Kind = "TorchScript";
    public const string FileRole = "program";

    private const string OldContract = "contract";

    private readonly string _file;
    private readonly jit.ScriptModule<Tensor, Tensor> _program;

    /// <summary>Loads a program, in eval mode and with frozen weights.</summary>
    /// <param name="file">A file of torch.jit.save.</param>
    /// <param name="contract">What the program expects and gives.</param>
    /// <exception cref="WeightFileException">The file is not a TorchScript program, or libtorch cannot load it.</exception>
    /// <exception cref="RewardContractException">The contract contradicts itself, or says that the program reads prompts.</exception>
    public TorchScriptReward(string file, RewardContract contract)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(file);
        ArgumentNullException.ThrowIfNull(contract);
        (_file, Contract, Name) = (file, contract, Path.GetFileNameWithoutExtension(file));
        contract.Validate(Name);
        if (contract.ReadsPrompt)
        {
            throw new RewardContractException(
                $"Reward '{Name}' is a TorchScript program, which is given frames and no text; its contract says that it reads the prompt.");
        }

        RequireProgram(file);
        try
        {
            _program = jit.load<Tensor, Tensor>(file);
        }
        catch (Exception exception) when (exception is ExternalException or InvalidOperationException)
        {
            throw new WeightFileException(file, $"is a TorchScript archive that libtorch cannot load: {FirstLine(exception)}", exception);
        }

        _program.eval();
        foreach (Tensor weight in _program.parameters())
        {
            weight.requires_grad_(false);
        }
    }

    public override string Name { get; }

    public override RewardContract Contract { get; }

    /// <summary>The reward in the catalog. Loading it runs the program.</summary>
    public static RewardDefinition Definition { get; } =
        RewardDefinition.Create(Kind, static saved => new TorchScriptReward(saved.GetFile(FileRole), saved.GetSettings(ContractJson.Default.RewardContract)))
            with
        { RunsProgram = true, Upgrade = static old => ContractJson.ToElement(ContractJson.Read(old.Text(OldContract))) };

    /// <summary>All weights; none takes gradient.</summary>
    internal IEnumerable<Tensor> Weights => _program.parameters();

    protected internal override IEnumerable<Tensor> Stored => _program.parameters().Concat(_program.buffers());

    protected internal override SavedReward Save() => SavedReward.Create(Kind, Contract, ContractJson.Default.RewardContract, (FileRole, _file));

    public override void MoveTo(Device device)
    {
        RequireAlive();
        _program.to(device);
    }

    protected override Tensor ScoreCore(Tensor frames, IReadOnlyList<string> prompts)
    {
        using Tensor single = frames.to_type(ScalarType.Float32);
        try
        {
            return _program.call(single);
        }
        catch (Exception exception) when (exception is ExternalException or InvalidOperationException or InvalidCastException)
        {
            throw new RewardContractException(
                $"The TorchScript program '{Name}' failed on frames [{string.Join(", ", frames.shape)}]; it must have forward(frames) and return one " +
                $"score per video. {FirstLine(exception)}", exception);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _program.Dispose();
        }

        base.Dispose(disposing);
    }

    // libtorch's own error for another file is a page of C++ frames.
    private static void RequireProgram(string file)
    {
        if (!File.Exists(file))
        {
            throw new WeightFileException(file, "there is no such file; a TorchScript program (torch.jit.save) was asked for.");
        }

        try
        {
            using ZipArchive archive = ZipFile.OpenRead(file);
            if (archive.Entries.Any(entry => entry.FullName.Contains("/code/", StringComparison.Ordinal)))
            {
                return;
            }
        }
        catch (InvalidDataException exception)
        {
            throw new WeightFileException(file, "is not a TorchScript program (torch.jit.save): it is not a zip archive.", exception);
        }

        throw new WeightFileException(
            file,
            "is not a TorchScript program (torch.jit.save): there is no code in it. "
                + "A checkpoint of torch.save has weights only; script the module and save that.");
    }

    private static string FirstLine(Exception exception) => exception.Message.Split('\n')[0];
}
