using Microsoft.ML.VideoAlignment.Rewards;
using Microsoft.ML.VideoAlignment.Rewards.ClipHeads;
using Microsoft.ML.VideoAlignment.Rewards.Custom;
using Microsoft.ML.VideoAlignment.Rewards.TextImage;
using Microsoft.ML.VideoAlignment.Rewards.VideoMae;
using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Microsoft.ML.VideoAlignment.Rewards.Yolos;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>The rewards of this library, and rewards from functions of your own. Their weights are frozen and take no gradient.</summary>
public static class VideoRewards
{
    /// <summary>
    /// How much people would like the frames, about 1 .. 10, mean over frames: LAION's aesthetic predictor V2 on CLIP's image embedding, as VADER uses it.
    /// </summary>
    /// <param name="clipFolder">A transformers folder of the CLIP model that the head was trained on (LAION's: openai/clip-vit-large-patch14).</param>
    /// <param name="headFile">The head, such as sac+logos+ava1-l14-linearMSE.pth (torch.save or safetensors; keys layers.N; any widths).</param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward Aesthetic(string clipFolder, string headFile, WeightPrecision precision = WeightPrecision.Float32) =>
        HeadReward.FromFiles(HeadRewardKind.Aesthetic, clipFolder, headFile, Placement.OnCpu(precision));

    /// <summary>How likely the frames show the weather that the head was trained on, 0 .. 1, mean over frames: VADER's rainy and snowy rewards.</summary>
    /// <param name="clipFolder">A transformers folder of the CLIP model that the head was trained on.</param>
    /// <param name="headFile">The head, such as rainy_reward.pt.</param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward Weather(string clipFolder, string headFile, WeightPrecision precision = WeightPrecision.Float32) =>
        HeadReward.FromFiles(HeadRewardKind.Weather, clipFolder, headFile, Placement.OnCpu(precision));

    /// <summary>
    /// Predicted size of the frames as JPEG images in kB, mean over frames: VADER's compression reward. Lower is better; in a sum with rewards to raise it
    /// takes a negative weight.
    /// </summary>
    /// <param name="clipFolder">A transformers folder of the CLIP model that the head was trained on.</param>
    /// <param name="headFile">The head, such as compression_reward.pt.</param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward CompressedSize(string clipFolder, string headFile, WeightPrecision precision = WeightPrecision.Float32) =>
        HeadReward.FromFiles(HeadRewardKind.CompressedSize, clipFolder, headFile, Placement.OnCpu(precision));

    /// <summary>
    /// Cosine of CLIP's embeddings of frame and prompt, -1 .. 1, mean over frames. In a sum it keeps prompts obeyed while another reward is raised.
    /// </summary>
    /// <param name="clipFolder">A transformers folder of a whole CLIP model with its tokenizer.</param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward TextImageSimilarity(string clipFolder, WeightPrecision precision = WeightPrecision.Float32) =>
        TextImageReward.Similarity(clipFolder, Placement.OnCpu(precision));

    /// <summary>
    /// Cosine of a video's embedding and its prompt's, -1 .. 1. CLIP's embeddings of the frames are averaged before the cosine, so it is not a mean of frames'
    /// scores: cos(mean_t f(frame_t), g(prompt)).
    /// </summary>
    /// <param name="clipFolder">A transformers folder of a whole CLIP model with its tokenizer.</param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward VideoTextSimilarity(string clipFolder, WeightPrecision precision = WeightPrecision.Float32) =>
        Rewards.TextImage.VideoTextSimilarity.FromFolder(clipFolder, Placement.OnCpu(precision));

    /// <summary>
    /// Human Preference Score v2 (arXiv 2306.09341): the cosine of OpenCLIP's embeddings of frame and prompt after training on people's choices, mean over
    /// frames.
    /// </summary>
    /// <remarks>
    /// Versions 2.0 and 2.1 are the same network. The prompts' embeddings are kept, and <see cref="VideoReward.RestrictToPrompts"/> frees the text tower.
    /// </remarks>
    /// <param name="file">HPS_v2_compressed.pt or HPS_v2.1_compressed.pt.</param>
    /// <param name="tokenizer">
    /// OpenCLIP's bpe_simple_vocab_16e6.txt.gz, or a CLIP tokenizer folder with the same vocabulary (vocab.json and merges.txt): the model's file has none.
    /// </param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward HumanPreferenceV2(string file, string tokenizer, WeightPrecision precision = WeightPrecision.Float32) =>
        TextImageReward.HumanPreference(file, tokenizer, Placement.OnCpu(precision));

    /// <summary>
    /// PickScore (arXiv 2305.01569): exp(logit_scale) times the cosine, about -100 .. 100 (around 20 for good images), mean over frames. Frames are not
    /// stretched: their short side is resized and the middle cut out.
    /// </summary>
    /// <param name="folder">A transformers folder of the whole model with its tokenizer, such as yuvalkirstain/PickScore_v1.</param>
    /// <param name="precision">How the frozen weights are stored; computation is in float32.</param>
    public static VideoReward PickScore(string folder, WeightPrecision precision = WeightPrecision.Float32) =>
        TextImageReward.PickScore(folder, Placement.OnCpu(precision));

    /// <summary>
    /// How surely an object is absent, 0 .. 1, mean over frames: VADER's object removal. It is 1 minus the mean probability of the detections of the object,
    /// and 1 with a gradient of zero where there is none.
    /// </summary>
    /// <remarks>VADER's loss of it is <see cref="RewardLoss.Hinge"/> of 1, in gradient the same as raising the score.</remarks>
    /// <param name="detectorFolder">
    /// A transformers folder of a YOLOS detector (YolosForObjectDetection), such as hustvl/yolos-base or hustvl/yolos-tiny.
    /// </param>
    /// <param name="label">What is to vanish: a name of the detector's id2label, such as "book".</param>
    /// <param name="options">Threshold, working height, precision; null: those of VADER's released code.</param>
    /// <exception cref="ArgumentException">The detector has no such label (the message lists those like it), or an option is out of its range.</exception>
    /// <exception cref="WeightFileException">The folder is not there or holds another network; the message says what it looks like.</exception>
    public static VideoReward ObjectRemoval(string detectorFolder, string label, ObjectRemovalOptions? options = null)
    {
        options ??= new ObjectRemovalOptions();
        return ObjectRemovalReward.FromFolder(detectorFolder, label, options, Placement.OnCpu(options.Precision));
    }

    /// <summary>
    /// The probability, 0 .. 1, that the video shows the action its prompt asks for: VADER's action reward. It takes any number of frames that fills tubelets
    /// (even, for the published model).
    /// </summary>
    /// <remarks>VADER's loss is the cross-entropy: raise the score with <see cref="ActionClassificationOptions.LogProbability"/>.</remarks>
    /// <param name="classifierFolder">
    /// A transformers folder of a VideoMAE classifier (VideoMAEForVideoClassification), such as MCG-NJU/videomae-base-finetuned-kinetics.
    /// </param>
    /// <param name="options">Which label a prompt means, or one label for all; null: the prompt's, by VADER's table.</param>
    /// <exception cref="ArgumentException">The classifier has no such label; the message lists those like it.</exception>
    /// <exception cref="WeightFileException">The folder is not there or holds another network; the message says what it looks like.</exception>
    public static VideoReward ActionClassification(string classifierFolder, ActionClassificationOptions? options = null)
    {
        options ??= new ActionClassificationOptions();
        return ActionClassificationReward.FromFolder(classifierFolder, options, Placement.OnCpu(options.Precision));
    }

    /// <summary>
    /// How well V-JEPA foresees the hidden parts of a video: minus its prediction loss, 0 at best (VADER, section 5.1). It takes the file's number of frames,
    /// or a multiple of it, part by part.
    /// </summary>
    /// <remarks>
    /// All videos of a call share one draw of the masks. Calls without gradient always have the first draw of <see cref="VJepaOptions.Seed"/>, so that scores
    /// can be repeated and compared; calls with gradient have a new one each, the same in each run of training.
    /// <para>
    /// It does not tell a frozen video: nothing is easier to foresee than a video that stands still, and every V-JEPA that was tried on the embedded world
    /// prefers it to the moving video it was made from. Align to it together with something that keeps motion: a sum with a reward that wants motion, such as
    /// <see cref="ActionClassification"/>, or a distance from the base model (<see cref="RewardGradientOptions.KlWeight"/>).
    /// </para>
    /// </remarks>
    /// <param name="file">The official file, such as vitl16.pth.tar (encoder, predictor and target_encoder; the optimizer's state in it is not read).</param>
    /// <param name="options">Sizes where the file's shapes do not tell them, masks, memory; null: defaults.</param>
    /// <exception cref="ArgumentException">Options are out of range.</exception>
    /// <exception cref="WeightFileException">The file is not a V-JEPA file, or contradicts the options.</exception>
    public static VideoReward TemporalConsistency(string file, VJepaOptions? options = null)
    {
        VJepaOptions chosen = options ?? new VJepaOptions();
        return VJepaReward.FromFile(file, chosen, Placement.OnCpu(chosen.Precision));
    }

    /// <summary>
    /// A reward from a function. Tensors that the function makes are freed after the call; one that must live longer is detached from the scope
    /// (<c>DetachFromDisposeScope()</c>).
    /// </summary>
    /// <remarks>Such a reward cannot be written into a model file; a class of your own can: see <see cref="Register"/>.</remarks>
    /// <param name="name">A short name for logs and tables.</param>
    /// <param name="score">(frames [B, 3, T, H, W] in [0, 1], B prompts) -> scores [B], carrying gradient unless the contract says otherwise.</param>
    /// <param name="contract">What the function expects; null: any frames, differentiable, no prompt, higher is better.</param>
    public static VideoReward Custom(string name, Func<Tensor, IReadOnlyList<string>, Tensor> score, RewardContract? contract = null) =>
        new CustomReward(name, score, contract ?? new RewardContract());

    /// <summary>
    /// A reward of your own as a TorchScript program, in eval mode, its weights frozen: <c>forward(frames)</c> takes [B, 3, T, H, W], float32, and returns
    /// [B]. A model file names it by its path and hash.
    /// </summary>
    /// <param name="file">A file of torch.jit.save.</param>
    /// <param name="contract">What the program expects and gives; <see cref="RewardContractCheck"/> tries it. It cannot read prompts.</param>
    /// <exception cref="WeightFileException">The file is not a TorchScript program.</exception>
    /// <exception cref="RewardContractException">The contract cannot hold.</exception>
    public static VideoReward TorchScript(string file, RewardContract contract) => new TorchScriptReward(file, contract);

    /// <summary>
    /// A weighted sum of rewards. Parts that preprocess frames alike share the images; rewards that fall as videos get better take a negative weight.
    /// </summary>
    /// <param name="parts">
    /// Rewards and weights, which are finite and not 0. The sum owns its parts: each is disposed with the last of the sums and multiples that it is in.
    /// </param>
    /// <returns>The sum. Dispose it instead of its parts.</returns>
    /// <exception cref="RewardContractException">A weight is 0, or the parts' contracts do not go together; nothing was taken over.</exception>
    public static VideoReward Mix(params (VideoReward Reward, float Weight)[] parts) => new RewardMix(parts);

    /// <summary>
    /// A weighted sum of rewards; normalized, each part's score s enters as (s - mean) / deviation, so that weights compare parts of different scales.
    /// </summary>
    /// <remarks>
    /// Mean and standard deviation (over n - 1; 1 while they are not known or below 1e-6) run over every score of the present run of training, each training
    /// video's once. Reward gradients: a batch enters first and is then normalized, and both numbers count as constants for the gradient; further copies of a
    /// video (<see cref="GradientWindow.LowVariance"/>) are normalized and do not enter. DDPO and Diffusion-DPO: all videos of a rollout enter, then all are
    /// normalized by the same numbers, so that advantages and pairs compare like with like. The reward of a step that is reported is the normalized one.
    /// Validation is the weighted sum in the parts' own units, and changes nothing; neither do trial calls.
    /// <see cref="VideoReward.Score(Tensor, IReadOnlyList{string})"/> counts as training where frames carry gradient; else it normalizes by what stands, so
    /// that scoring is repeatable. A run of training begins anew. A model file keeps the numbers.
    /// </remarks>
    /// <param name="parts">
    /// Rewards and weights, which are finite and not 0. The sum owns its parts: each is disposed with the last of the sums and multiples that it is in.
    /// </param>
    /// <param name="normalize">Whether to normalize.</param>
    /// <returns>The sum. Dispose it instead of its parts.</returns>
    /// <exception cref="RewardContractException">A weight is 0, or the parts' contracts do not go together; nothing was taken over.</exception>
    public static VideoReward Mix(IReadOnlyList<(VideoReward Reward, float Weight)> parts, bool normalize) => new RewardMix(parts, normalize);

    /// <summary>
    /// Registers a kind of reward of your own, so that model files can name it. A file never chooses a type: a kind that the program has not registered is
    /// refused.
    /// </summary>
    /// <typeparam name="TReward">Your class. Its <see cref="VideoReward.Save"/> returns this kind.</typeparam>
    /// <param name="kind">
    /// A name for files, such as "Contoso.Warmth": 1 to 100 letters, digits, '.', '-' and '_', first a letter. It holds for the process, and stays what it is
    /// as long as files name it.
    /// </param>
    /// <param name="make">
    /// Makes the reward again from its files, whose hashes have been checked, and its settings, which may have been changed; an
    /// <see cref="ArgumentException"/> or <see cref="InvalidDataException"/> says that it cannot.
    /// </param>
    /// <exception cref="ArgumentException">The name is not one, or another function is registered for it. The same function again changes nothing.</exception>
    public static void Register<TReward>(string kind, Func<SavedReward, TReward> make)
        where TReward : VideoReward
    {
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(make);
        RewardCatalog.Register(RewardDefinition.Create(kind, make));
    }
}
